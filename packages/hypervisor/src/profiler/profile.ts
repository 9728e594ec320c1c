import type { CallNode, CallTree } from "./call-tree.ts";
import { type CpuProfile, cpuprofile } from "./cpuprofile.ts";
import { foldedStacks } from "./folded.ts";
import type { Timeline } from "./timeline.ts";

/** A function in a profile. */
export interface ProfiledFunction {
  readonly name: string;
  /** What it is part of. */
  readonly part: "kernel" | "user" | "firmware";
  /** Milliseconds of host time in the function itself. */
  readonly self: number;
  /** The same with what it called. */
  readonly total: number;
}

/** What a machine spent its time on. Times are of the host, while harts ran: sleep does not count. */
export class Profile {
  readonly #tree: CallTree;
  readonly #timeline: Timeline;
  /** Stacks that were taken. */
  readonly samples: number;
  /** Milliseconds in which harts ran, as far as a sample stands for them. */
  readonly milliseconds: number;
  /** Milliseconds from the start of the profiler to its end. */
  readonly duration: number;

  constructor(tree: CallTree, timeline: Timeline, duration: number) {
    this.#tree = tree;
    this.#timeline = timeline;
    this.duration = duration;
    this.samples = tree.nodes.reduce((sum, node) => sum + node.samples, 0);
    this.milliseconds = tree.nodes.reduce((sum, node) => sum + node.milliseconds, 0);
  }

  /**
   * One line for each stack: frames from the outermost to the innermost with semicolons between them, a space, and
   * microseconds. What flamegraph.pl, inferno and speedscope read.
   */
  folded(): string {
    return foldedStacks(this.#tree);
  }

  /** The object whose JSON is a `.cpuprofile`: what Chrome's developer tools, VS Code and speedscope open. */
  cpuprofile(): CpuProfile {
    return cpuprofile(this.#tree, this.#timeline, this.duration);
  }

  /** The functions that took most time themselves, the first one most. */
  top(count = 20): ProfiledFunction[] {
    const sums = new Map<string, { -readonly [K in keyof ProfiledFunction]: ProfiledFunction[K] }>();
    const add = (node: CallNode, outer: ReadonlySet<string>): number => {
      const { name, part } = node.frame;
      const key = `${part} ${name}`;
      const isOutermost = !outer.has(key);
      const inner = isOutermost ? new Set([...outer, key]) : outer;
      let total = node.milliseconds;
      for (const child of node.children.values()) total += add(child, inner);
      if (part === "root") return total;
      const sum = sums.get(key) ?? { name, part, self: 0, total: 0 };
      sums.set(key, sum);
      sum.self += node.milliseconds;
      // Of a function that calls itself only the first call counts.
      if (isOutermost) sum.total += total;
      return total;
    };
    add(this.#tree.root, new Set());
    return [...sums.values()].sort((a, b) => b.self - a.self || b.total - a.total).slice(0, count);
  }
}

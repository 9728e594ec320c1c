import type { CallNode, CallTree } from "./call-tree.ts";
import type { Timeline } from "./timeline.ts";

/** A node of a {@link CpuProfile}. */
export interface CpuProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly scriptId: string;
    /** What the function is part of: `kernel`, `user`, `firmware`. */
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly hitCount: number;
  readonly children: readonly number[];
}

/** `Profiler.Profile` of the Chrome DevTools Protocol 1.3. Times are microseconds. */
export interface CpuProfile {
  readonly nodes: readonly CpuProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** Ids of nodes, in order of time. */
  readonly samples: readonly number[];
  /** From one sample to the next, the first one from `startTime`. */
  readonly timeDeltas: readonly number[];
}

/** Milliseconds without a sample from which on they are shown as idle time. */
const IDLE = 0.25;

/** A call tree with its timeline as a profile of Chrome's developer tools. */
export function cpuprofile(tree: CallTree, timeline: Timeline, duration: number): CpuProfile {
  // Ids start at 1 there.
  const idOf = (node: number): number => node + 1;
  const idleId = idOf(tree.nodes.length);
  const nodes = tree.nodes.map((node) => profileNode(node, idOf));
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  let last = 0;
  const add = (id: number, milliseconds: number): void => {
    const time = Math.round(milliseconds * 1000);
    samples.push(id);
    timeDeltas.push(time - last);
    last = time;
  };
  let end = 0;
  let idle = 0;
  const rest = (until: number): void => {
    if (until - end <= IDLE) return;
    add(idleId, end);
    idle++;
  };
  for (const { start, milliseconds, node } of timeline) {
    rest(start);
    add(idOf(node), start);
    end = start + milliseconds;
  }
  rest(duration);
  const [root, ...others] = nodes;
  return {
    nodes: [
      { ...(root as CpuProfileNode), children: [...(root as CpuProfileNode).children, idleId] },
      ...others,
      { id: idleId, callFrame: frameOf("(idle)", ""), hitCount: idle, children: [] },
    ],
    startTime: 0,
    endTime: Math.max(last, Math.round(duration * 1000)),
    samples,
    timeDeltas,
  };
}

function profileNode(node: CallNode, idOf: (node: number) => number): CpuProfileNode {
  const { name, part } = node.frame;
  return {
    id: idOf(node.id),
    callFrame: frameOf(name, part === "root" ? "" : part),
    hitCount: node.samples,
    children: [...node.children.values()].map(({ id }) => idOf(id)),
  };
}

function frameOf(functionName: string, url: string): CpuProfileNode["callFrame"] {
  return { functionName, scriptId: "0", url, lineNumber: -1, columnNumber: -1 };
}

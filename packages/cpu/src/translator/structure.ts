import { type Block, endOf, startOf } from "./region.ts";

/** Control flow as nested sequences; blocks are named by their index. */
export type Item =
  | { readonly kind: "block"; readonly block: number }
  | { readonly kind: "loop"; readonly first: number; readonly items: readonly Item[] };

/** Blocks in the order in which they are emitted, and how they nest. */
export interface Structure {
  readonly blocks: readonly Block[];
  readonly items: readonly Item[];
}

interface Loop {
  readonly header: number;
  readonly members: Set<number>;
}

/**
 * Recovers loops: an edge to a block that dominates its source makes a natural loop. Blocks are put in an order in
 * which every edge goes forward, or back to the header of a loop around it, and loops are contiguous; blocks that the
 * first one does not lead to are left out. An edge back into the middle of something has to leave the region instead.
 */
export function structure(blocks: readonly Block[]): Structure {
  const flow = new Flow(blocks);
  const items: Item[] = [];
  const order: number[] = [];
  flow.emit(undefined, items, order);
  return { blocks: order.map((index) => blocks[index] as Block), items };
}

/** Whether control can go all ways from block to block without leaving the region: each loop has one block where it begins. */
export function isReducible(blocks: readonly Block[]): boolean {
  return new Flow(blocks).isReducible();
}

/** Dominators and natural loops of a region's blocks, of which the first is the entry. */
class Flow {
  readonly #successors: (readonly number[])[];
  /** Reachable blocks in reverse postorder, and the place of each in it (-1 for the others). */
  readonly #order: number[] = [];
  readonly #place: Int32Array;
  readonly #dominator: Int32Array;
  /** Numbers in the tree of dominators: a block's own, and the highest of what it dominates. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Outer loops before those in them. */
  readonly #loops: Loop[];

  constructor(blocks: readonly Block[]) {
    this.#successors = successorsOf(blocks);
    this.#place = new Int32Array(blocks.length).fill(-1);
    this.#dominator = new Int32Array(blocks.length).fill(-1);
    this.#first = new Int32Array(blocks.length).fill(-1);
    this.#last = new Int32Array(blocks.length).fill(-1);
    this.#walk();
    this.#findDominators();
    this.#numberTree();
    this.#loops = this.#findLoops();
  }

  /** Finds the reverse postorder without recursion: regions may be long. */
  #walk(): void {
    const seen = new Uint8Array(this.#place.length);
    const stack: { block: number; next: number }[] = [{ block: 0, next: 0 }];
    seen[0] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { block: number; next: number };
      const successor = (this.#successors[top.block] as readonly number[])[top.next++];
      if (successor === undefined) {
        this.#order.push(top.block);
        stack.pop();
      } else if (seen[successor] === 0) {
        seen[successor] = 1;
        stack.push({ block: successor, next: 0 });
      }
    }
    this.#order.reverse();
    this.#order.forEach((block, place) => {
      this.#place[block] = place;
    });
  }

  /** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
  #findDominators(): void {
    const dominator = this.#dominator;
    dominator[0] = 0;
    for (let changed = true; changed; ) {
      changed = false;
      for (const block of this.#order) {
        for (const next of this.#successors[block] as readonly number[]) {
          if (next === 0) continue;
          const old = dominator[next] as number;
          const now = old < 0 ? block : this.#common(old, block);
          if (now === old) continue;
          dominator[next] = now;
          changed = true;
        }
      }
    }
  }

  #common(a: number, b: number): number {
    const place = this.#place;
    let left = a;
    let right = b;
    while (left !== right) {
      while ((place[left] as number) > (place[right] as number)) left = this.#dominator[left] as number;
      while ((place[right] as number) > (place[left] as number)) right = this.#dominator[right] as number;
    }
    return left;
  }

  /** Numbers the tree of dominators, so that what a block dominates has the numbers from its own to its last. */
  #numberTree(): void {
    const children: number[][] = this.#successors.map(() => []);
    for (const block of this.#order.slice(1)) children[this.#dominator[block] as number]?.push(block);
    const stack = [0];
    let number = 0;
    const entered: number[] = [];
    while (stack.length > 0) {
      const block = stack.pop() as number;
      this.#first[block] = number++;
      entered.push(block);
      stack.push(...(children[block] as number[]));
    }
    for (const block of entered.reverse()) {
      const last = (children[block] as number[]).map((child) => this.#last[child] as number);
      this.#last[block] = Math.max(this.#first[block] as number, ...last);
    }
  }

  #dominates(a: number, b: number): boolean {
    const at = this.#first[b] as number;
    return at >= (this.#first[a] as number) && at <= (this.#last[a] as number);
  }

  /** Whether all edges that go back in the order lead to a block that dominates their source. */
  isReducible(): boolean {
    return this.#order.every((block, place) =>
      (this.#successors[block] as readonly number[]).every(
        (next) => (this.#place[next] as number) > place || this.#dominates(next, block),
      ),
    );
  }

  #findLoops(): Loop[] {
    const predecessors: number[][] = this.#successors.map(() => []);
    for (const block of this.#order) {
      for (const next of this.#successors[block] as readonly number[]) predecessors[next]?.push(block);
    }
    const loops: Loop[] = [];
    for (const header of this.#order) {
      const latches = (predecessors[header] as number[]).filter((from) => this.#dominates(header, from));
      if (latches.length === 0) continue;
      const members = new Set<number>([header]);
      const work = latches;
      while (work.length > 0) {
        const block = work.pop() as number;
        if (members.has(block)) continue;
        members.add(block);
        for (const from of predecessors[block] as number[]) {
          // What the header does not dominate comes in from the side, on an edge that leaves the region.
          if (this.#dominates(header, from)) work.push(from);
        }
      }
      loops.push({ header, members });
    }
    return loops;
  }

  /** Emits the blocks of a loop, or of the region, in order, loops in it as items of their own. */
  emit(loop: Loop | undefined, items: Item[], order: number[]): void {
    const inner = new Map<number, Loop>();
    const inside = new Set<number>();
    for (const candidate of this.#loops) {
      if (candidate === loop || (loop !== undefined && !loop.members.has(candidate.header))) continue;
      if (inside.has(candidate.header)) continue;
      if (loop !== undefined && candidate.header === loop.header) continue;
      inner.set(candidate.header, candidate);
      for (const member of candidate.members) inside.add(member);
    }
    // Reverse postorder puts every block after its predecessors but for edges back; loops are pulled together at
    // their headers, which dominate all that is in them.
    for (const block of this.#order) {
      if (loop !== undefined && !loop.members.has(block)) continue;
      const nested = inner.get(block);
      if (nested !== undefined) {
        const nestedItems: Item[] = [];
        const first = order.length;
        this.emit(nested, nestedItems, order);
        items.push({ kind: "loop", first, items: nestedItems });
      } else if (!inside.has(block)) {
        items.push({ kind: "block", block: order.length });
        order.push(block);
      }
    }
  }
}

/** Indices of the blocks that control may reach from each; from a call, where it returns. */
export function successorsOf(blocks: readonly Block[]): (readonly number[])[] {
  const indexOf = new Map<number, number>();
  blocks.forEach((block, index) => {
    indexOf.set(startOf(block), index);
  });
  return blocks.map((block) => {
    const places = block.fallsThrough ? [...block.targets, endOf(block)] : block.targets;
    return places.flatMap((place) => indexOf.get(place) ?? []);
  });
}

/** The blocks at which loops begin. */
export function headersOf(items: readonly Item[], headers: Set<number> = new Set()): ReadonlySet<number> {
  for (const item of items) {
    if (item.kind === "block") continue;
    headers.add(item.first);
    headersOf(item.items, headers);
  }
  return headers;
}

/** The blocks of items, in order. */
export function blocksOf(items: readonly Item[]): readonly number[] {
  return items.flatMap((item) => (item.kind === "block" ? item.block : blocksOf(item.items)));
}

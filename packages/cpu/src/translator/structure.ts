import type { Block } from "./region.ts";

/** A region's control flow as nested sequences; blocks are named by their index. */
export type Item =
  | { readonly kind: "block"; readonly block: number }
  | { readonly kind: "loop"; readonly first: number; readonly items: readonly Item[] };

interface Loop {
  readonly first: number;
  last: number;
}

/**
 * Recovers loops from blocks in order of address: each backward edge makes its range a loop, ranges that overlap are
 * made to nest. Every branch then goes to the start of a loop around it, or forward to an item of a sequence around
 * it; a branch into the middle of a loop has to leave the region instead.
 */
export function structure(blocks: readonly Block[]): readonly Item[] {
  const indexOf = new Map(blocks.map(({ start }, index) => [start, index]));
  const byFirst = new Map<number, Loop>();
  blocks.forEach(({ target }, index) => {
    const first = target === undefined ? undefined : indexOf.get(target);
    if (first === undefined || first > index) return;
    const loop = byFirst.get(first);
    if (loop === undefined) byFirst.set(first, { first, last: index });
    else loop.last = Math.max(loop.last, index);
  });
  const loops = [...byFirst.values()].sort((a, b) => a.first - b.first);
  makeNest(loops);
  return sequence(0, blocks.length - 1, loops, undefined);
}

/** Extends loops that are left in the middle of another so that they end together. */
function makeNest(loops: readonly Loop[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const outer of loops) {
      for (const inner of loops) {
        if (inner.first > outer.first && inner.first <= outer.last && inner.last > outer.last) {
          outer.last = inner.last;
          changed = true;
        }
      }
    }
  }
}

function sequence(first: number, last: number, loops: readonly Loop[], around: Loop | undefined): Item[] {
  const items: Item[] = [];
  for (let block = first; block <= last; ) {
    const loop = loops.find((candidate) => candidate.first === block && candidate !== around);
    if (loop === undefined || loop.last > last) {
      items.push({ kind: "block", block });
      block++;
    } else {
      items.push({ kind: "loop", first: block, items: sequence(block, loop.last, loops, loop) });
      block = loop.last + 1;
    }
  }
  return items;
}

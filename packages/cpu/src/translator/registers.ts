import type { Block } from "./region.ts";

/** Registers of one file that a block uses, as bit sets. */
export interface RegisterUse {
  /** Those that it reads before it writes them. */
  readonly exposed: number;
  readonly written: number;
}

/** Which registers of a file a region's function has to load and store, as bit sets by block. */
export interface RegisterFlow {
  /** Registers whose variable may hold what the hart's block does not, when the block starts. */
  readonly dirty: readonly number[];
  /** Registers whose variable must hold their value when the block starts. */
  readonly live: readonly number[];
}

/**
 * Follows the registers of one file through a region, from what each block uses. A call leaves all of them in the
 * hart's block.
 */
export function registerFlow(
  blocks: readonly Block[],
  uses: readonly RegisterUse[],
  successors: readonly (readonly number[])[],
): RegisterFlow {
  const count = blocks.length;
  const dirty = new Array<number>(count).fill(0);
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = 0; index < count; index++) {
      const { isCall } = blocks[index] as Block;
      const { written } = uses[index] as RegisterUse;
      const after = isCall ? 0 : (dirty[index] as number) | written;
      for (const next of successors[index] as readonly number[]) {
        const before = dirty[next] as number;
        if ((before | after) === before) continue;
        dirty[next] = before | after;
        changed = true;
      }
    }
  }
  // Whatever may be dirty may be stored: its variable must hold the value on the ways that did not write it too.
  const live = uses.map(({ exposed }, index) => exposed | (dirty[index] as number));
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = count - 1; index >= 0; index--) {
      const { isCall } = blocks[index] as Block;
      const { written } = uses[index] as RegisterUse;
      if (isCall) continue;
      let after = 0;
      for (const next of successors[index] as readonly number[]) after |= live[next] as number;
      const before = live[index] as number;
      const now = before | (after & ~written);
      if (now === before) continue;
      live[index] = now;
      changed = true;
    }
  }
  return { dirty, live };
}

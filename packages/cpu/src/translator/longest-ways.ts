import type { Block } from "./region.ts";

/** For each block, the most instructions from its start on until the next loop, call or exit. */
export function longestWays(
  blocks: readonly Block[],
  successors: readonly (readonly number[])[],
  loopHeaders: ReadonlySet<number>,
): number[] {
  const longest = new Array<number>(blocks.length).fill(0);
  for (let index = blocks.length - 1; index >= 0; index--) {
    const { instructions, isCall } = blocks[index] as Block;
    let rest = 0;
    if (!isCall) {
      for (const next of successors[index] as readonly number[]) {
        if (next > index && !loopHeaders.has(next)) rest = Math.max(rest, longest[next] as number);
      }
    }
    longest[index] = instructions.length + rest;
  }
  return longest;
}

import { accessesFromStart, bodyOf, type Segment } from "./access-groups.ts";
import { type Block, DISPATCH } from "./region.ts";
import type { Item } from "./structure.ts";

/** Fewer registers find room in the host's anyway. */
const LEAST_DEAD = 4;

/** Whether nothing but instructions of the region is executed while control is in an item. */
export function isPure(blocks: readonly Block[], item: Item): boolean {
  if (item.kind === "loop") return item.items.every((inner) => isPure(blocks, inner));
  const { isCall, instructions } = blocks[item.block] as Block;
  return !isCall && instructions.every(({ instruction }) => instruction.flow !== "system");
}

/**
 * The innermost loops that look at the budget and at the accesses of their first block where a turn ends, rather than where
 * it begins: by the index of that block, its instructions as one segment.
 *
 * A loop that is left where its turns begin has to bring there whatever an exit stores, temporaries among it that nothing
 * reads any more. Where it is left at the end of a turn, these are results of that turn, which take a place only where
 * they are made.
 */
export function headsCheckedAtEnds(
  blocks: readonly Block[],
  items: readonly Item[],
  heads: Map<number, Segment> = new Map(),
): ReadonlyMap<number, Segment> {
  for (const item of items) {
    if (item.kind === "block") continue;
    const isInnermost = item.items.every(({ kind }) => kind === "block");
    if (!isInnermost) headsCheckedAtEnds(blocks, item.items, heads);
    else if (isPure(blocks, item)) {
      const segment = headOf(blocks[item.first] as Block);
      if (segment !== undefined) heads.set(item.first, segment);
    }
  }
  return heads;
}

function headOf({ start, instructions, written, exposed }: Block): Segment | undefined {
  let dead = 0;
  for (let rest = written & ~exposed; rest !== 0; rest &= rest - 1) dead++;
  if (start === DISPATCH || dead < LEAST_DEAD) return undefined;
  return accessesFromStart(instructions, bodyOf(instructions));
}

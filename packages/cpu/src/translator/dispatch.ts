import { type Block, DISPATCH, placeOf } from "./region.ts";

/**
 * Lets the indirect jumps of a region lead to a block without instructions, and that to `addresses`: the way of a
 * `switch`, or of an interpreter's loop.
 */
export function addDispatch(blocks: readonly Block[], addresses: readonly number[]): readonly Block[] {
  const starts = new Set(blocks.map(({ start }) => start));
  const targets = addresses.filter((address) => starts.has(address)).map((address) => placeOf(0, address));
  if (targets.length === 0) return blocks;
  const dispatch: Block = {
    copy: 0,
    start: DISPATCH,
    end: DISPATCH,
    instructions: [],
    targets,
    fallsThrough: false,
    isCall: false,
    exposed: 0,
    written: 0,
  };
  const jumping = blocks.map((block) =>
    block.instructions.at(-1)?.transfer === "indirect" ? { ...block, targets: [DISPATCH] } : block,
  );
  return [...jumping, dispatch];
}

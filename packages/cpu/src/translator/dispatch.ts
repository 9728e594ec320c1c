import { type Block, DISPATCH, placeOf } from "./region.ts";
import { successorsOf } from "./structure.ts";

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
  return [dispatch, ...jumping];
}

/** Addresses of a dispatch from which control comes back to it: what makes it a loop. */
export function comingBack(blocks: readonly Block[]): readonly number[] {
  const [dispatch] = blocks;
  if (dispatch?.start !== DISPATCH) return [];
  const sources: number[][] = blocks.map(() => []);
  successorsOf(blocks).forEach((successors, index) => {
    for (const next of successors) sources[next]?.push(index);
  });
  const leads = new Set<number>();
  const work = [...(sources[0] as number[])];
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    if (index === 0 || leads.has(index)) continue;
    leads.add(index);
    work.push(...(sources[index] as number[]));
  }
  const places = new Set(dispatch.targets);
  return blocks.flatMap(({ copy, start }, index) =>
    copy === 0 && leads.has(index) && places.has(start) ? start : [],
  );
}

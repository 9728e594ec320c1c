import type { CodeMapView } from "./code-map.ts";
import { type CodeReader, hostOf, PAGE_SIZE, type Pages, targetOfCall } from "./code-reader.ts";
import { addressOf, type Block, endOf, placeOf } from "./region.ts";
import { walk } from "./walk.ts";

/** Most instructions of a callee that is copied, and of all that a region gets. */
const MAX_CALLEE = 64;
const MAX_COPIED = 512;
/** Copies in one another. */
const MAX_DEPTH = 3;

/**
 * Puts copies of short callees in the place of calls: registers stay in variables, and nothing is stored, looked up or
 * called. A copy returns by a jump, if the guest returns to where it was called.
 *
 * @param map - How often calls were made.
 */
export function copyCallees(
  reader: CodeReader,
  pages: Pages,
  blocks: readonly Block[],
  map: Pick<CodeMapView, "isHotCall">,
): readonly Block[] {
  const end = pages.first + (pages.second === undefined ? PAGE_SIZE : 2 * PAGE_SIZE);
  const known = new Map<number, readonly Block[] | undefined>();
  const calleeAt = (address: number): readonly Block[] | undefined => {
    if (address < pages.first || address >= end) return undefined;
    if (!known.has(address)) known.set(address, findCallee(reader, pages, address));
    return known.get(address);
  };
  const all: Block[] = [];
  let copies = 0;
  let size = 0;
  const work = blocks.map((block) => ({ block, depth: 0 }));
  for (let next = work.shift(); next !== undefined; next = work.shift()) {
    const { block, depth } = next;
    const target = targetOfCall(block.instructions.at(-1));
    const isCold = !map.isHotCall(callSite(block, pages));
    const callee = target === undefined || isCold || depth >= MAX_DEPTH ? undefined : calleeAt(target);
    const length = callee === undefined ? 0 : sizeOf(callee);
    if (callee === undefined || target === undefined || size + length > MAX_COPIED) {
      all.push(block);
      continue;
    }
    size += length;
    const copy = ++copies;
    all.push({ ...block, targets: [placeOf(copy, target)], fallsThrough: false, isCall: false });
    const back = endOf(block);
    for (const original of callee) {
      const returns = original.instructions.at(-1)?.transfer === "return";
      const targets = returns ? [back] : original.targets.map((place) => placeOf(copy, addressOf(place)));
      work.push({ block: { ...original, copy, targets }, depth: depth + 1 });
    }
  }
  return all;
}

/** What calls are counted by: the host address behind a call. */
export function callSite({ end }: Block, pages: Pages): number {
  return hostOf(pages, end);
}

function sizeOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { instructions }) => sum + instructions.length, 0);
}

/** The blocks of a function that is worth a copy. */
function findCallee(reader: CodeReader, pages: Pages, entry: number): readonly Block[] | undefined {
  const { blocks, isCut } = walk(reader, pages, entry, { limit: MAX_CALLEE, endsAt: () => false, also: [] });
  const ends = blocks.map(({ instructions }) => instructions.at(-1)?.transfer);
  return isCut || !ends.includes("return") || ends.includes("indirect") ? undefined : blocks;
}

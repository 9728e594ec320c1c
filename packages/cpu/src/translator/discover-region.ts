import type { CodeMapView } from "./code-map.ts";
import { type CodeReader, PAGE_SIZE, type Pages } from "./code-reader.ts";
import { copyCallees } from "./copy-callees.ts";
import { addDispatch, comingBack } from "./dispatch.ts";
import { type Block, DISPATCH, type Region } from "./region.ts";
import { isReducible } from "./structure.ts";
import { walk } from "./walk.ts";

const MAX_INSTRUCTIONS = 256;
/**
 * Of a region that dispatches by indirect jumps. Engines allocate registers in a time that grows faster than a function: what
 * is more than this is better left to regions of its own, between which control goes as fast as it may.
 */
const MAX_DISPATCHED = 512;

/** What a region is made of. */
export interface RegionOptions {
  /** Host address of the page that follows the entry's for the guest, if that is known. */
  readonly secondPage: number | undefined;
  /** Whether it is to have in it what is translated already, and its callees. */
  readonly isWhole: boolean;
  /**
   * Host addresses of the entry's page to which its indirect jumps, if it has some, are to lead, in addition to where such
   * jumps led; if it is not given, all of them leave the region.
   */
  readonly dispatched: readonly number[] | undefined;
  /** Which ways the code goes. */
  readonly map: Pick<CodeMapView, "isHotCall" | "isKnown" | "waysBy">;
}

/**
 * Collects the code of its page, and of the page after that where it is known, that is reachable from `entry` by static
 * control flow. It stops before instructions that only the interpreter executes, and unless it is to be whole, where
 * there are translations already. Undefined when the very first is one that only the interpreter executes.
 */
export function discoverRegion(
  reader: CodeReader,
  entry: number,
  { secondPage, isWhole, dispatched, map }: RegionOptions,
): Region | undefined {
  const pages: Pages = { first: entry - (entry & (PAGE_SIZE - 1)), second: secondPage };
  const endsAt = isWhole ? () => false : reader.isTranslated;
  const {
    blocks: reached,
    seams,
    size,
  } = walk(reader, pages, entry, { limit: MAX_INSTRUCTIONS, endsAt, also: [] });
  if (size === 0) return undefined;
  let blocks = reached;
  let others: readonly number[] = [];
  if (isWhole) {
    if (blocks.some(isIndirect)) {
      ({ blocks, others } = dispatching(reader, pages, entry, dispatched, map) ?? { blocks, others });
    }
    blocks = copyCallees(reader, pages, blocks, map);
  }
  const isFirst = ({ copy, start }: Block): boolean =>
    copy === 0 && start === (others.length > 0 ? DISPATCH : entry);
  blocks = [...blocks.filter(isFirst), ...blocks.filter((block) => !isFirst(block))];
  let used = 0;
  let usesFloat = false;
  let last = entry;
  for (const { exposed, written, instructions, end } of blocks) {
    used |= exposed | written;
    usesFloat ||= instructions.some(
      ({ instruction: { extension } }) => extension === "f" || extension === "d",
    );
    last = Math.max(last, end);
  }
  const isLong = last > pages.first + PAGE_SIZE;
  return {
    pages: isLong ? pages : { ...pages, second: undefined },
    entries: [entry, ...others],
    blocks,
    used,
    usesFloat,
    seams,
    isWhole,
  };
}

/** The blocks of a region whose indirect jumps stay in it, and its entries beside `entry`; undefined if that is too long. */
function dispatching(
  reader: CodeReader,
  pages: Pages,
  entry: number,
  dispatched: RegionOptions["dispatched"],
  map: RegionOptions["map"],
): { blocks: readonly Block[]; others: readonly number[] } | undefined {
  const jumpedTo = placesJumpedTo(pages, map);
  const leadingTo = (targets: readonly number[]): readonly Block[] | undefined => {
    const { blocks, isCut } = walk(reader, pages, entry, {
      limit: MAX_DISPATCHED,
      endsAt: () => false,
      also: targets,
    });
    return isCut ? undefined : addDispatch(blocks, targets);
  };
  // An entry must not need the second page.
  const mayBeEntry = (at: number): boolean => at - pages.first < PAGE_SIZE - 2;
  const isOfPage = dispatched !== undefined && mayBeEntry(entry);
  const all = isOfPage ? [...new Set([entry, ...dispatched, ...jumpedTo])] : [];
  for (const targets of [all, jumpedTo]) {
    const blocks = targets.length > 0 ? leadingTo(targets) : undefined;
    // What only other ways lead to, such as returns, is no target where a loop would begin at two places thereby.
    if (blocks === undefined || (targets === all && !isReducible(blocks))) continue;
    const isEntered = isOfPage && targets.includes(entry);
    const others = isEntered ? comingBack(blocks).filter((at) => at !== entry && mayBeEntry(at)) : [];
    if (others.length > 0 || targets === jumpedTo) return { blocks, others };
  }
  return undefined;
}

function isIndirect({ instructions }: Block): boolean {
  return instructions.at(-1)?.transfer === "indirect";
}

/** Addresses in the first page to which indirect jumps led. */
function placesJumpedTo({ first }: Pages, map: RegionOptions["map"]): readonly number[] {
  const addresses: number[] = [];
  for (let address = first; address < first + PAGE_SIZE; address += 2) {
    if (map.waysBy(address) > 0 && map.isKnown(address)) addresses.push(address);
  }
  return addresses;
}

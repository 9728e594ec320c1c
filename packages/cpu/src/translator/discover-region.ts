import type { CodeMapView } from "./code-map.ts";
import { type CodeReader, hostOf, PAGE_SIZE, type Pages } from "./code-reader.ts";
import { copyCallees } from "./copy-callees.ts";
import { addDispatch } from "./dispatch.ts";
import type { Block, Region } from "./region.ts";
import { walk } from "./walk.ts";

const MAX_INSTRUCTIONS = 256;
/** Of a region that dispatches by indirect jumps: what these lead to belongs together. */
const MAX_DISPATCHED = 1024;

/** What a region is made of. */
export interface RegionOptions {
  /** Host address of the page that follows the entry's for the guest, if that is known. */
  readonly secondPage: number | undefined;
  /** Whether it is to have in it what is translated already, and its callees. */
  readonly isWhole: boolean;
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
  { secondPage, isWhole, map }: RegionOptions,
): Region | undefined {
  const pages: Pages = { first: entry - (entry & (PAGE_SIZE - 1)), second: secondPage };
  const endsAt = isWhole ? () => false : reader.isTranslated;
  let { blocks, seams, size } = walk(reader, pages, entry, { limit: MAX_INSTRUCTIONS, endsAt, also: [] });
  if (size === 0) return undefined;
  if (isWhole) {
    const also = blocks.some(isIndirect) ? dispatched(pages, map) : [];
    if (also.length > 0) {
      ({ blocks, size } = walk(reader, pages, entry, { limit: MAX_DISPATCHED, endsAt, also }));
      blocks = addDispatch(blocks, also);
    }
  }
  if (isWhole) blocks = copyCallees(reader, pages, blocks, map);
  const isEntry = ({ copy, start }: Block): boolean => copy === 0 && start === entry;
  blocks = [...blocks.filter(isEntry), ...blocks.filter((block) => !isEntry(block))];
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
  return { pages: isLong ? pages : { ...pages, second: undefined }, blocks, used, usesFloat, seams, isWhole };
}

function isIndirect({ instructions }: Block): boolean {
  return instructions.at(-1)?.transfer === "indirect";
}

/** Addresses to which indirect jumps led. */
function dispatched(pages: Pages, map: RegionOptions["map"]): readonly number[] {
  const addresses: number[] = [];
  const end = pages.first + (pages.second === undefined ? PAGE_SIZE : 2 * PAGE_SIZE);
  for (let address = pages.first; address < end; address += 2) {
    const host = hostOf(pages, address);
    if (map.waysBy(host) > 0 && map.isKnown(host)) addresses.push(address);
  }
  return addresses;
}

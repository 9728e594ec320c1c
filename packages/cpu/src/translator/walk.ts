import {
  type CodeReader,
  type DecodedInstruction,
  hostOf,
  isTranslatable,
  PAGE_SIZE,
  type Pages,
  RETURNS_HERE,
  readInstruction,
  targetOf,
} from "./code-reader.ts";
import { type Block, placeOf } from "./region.ts";

/** What a walk is to find. */
export interface WalkOptions {
  /** Most instructions; there may be more behind what it found. */
  readonly limit: number;
  /** Whether it ends at a host address although there is code. */
  readonly endsAt: (host: number) => boolean;
  /** Addresses that are reached too. */
  readonly also: readonly number[];
}

/** Code that was found. */
export interface Walk {
  /** In the order of addresses. */
  readonly blocks: readonly Block[];
  readonly size: number;
  /** Whether there was more of it. */
  readonly isCut: boolean;
  /** Addresses at which it ended because it had to. */
  readonly seams: Set<number>;
}

const PAGE_PARCELS = PAGE_SIZE / 2;
/** The pages under way, by parcel: instructions that begin there, and whether a block does. */
const found: (DecodedInstruction | undefined)[] = new Array(2 * PAGE_PARCELS).fill(undefined);
const leads = new Uint8Array(2 * PAGE_PARCELS);
/** Whether an instruction is in a block. */
const placed = new Uint8Array(2 * PAGE_PARCELS);

/** Follows static control flow from `entry` on, calls and returns left out. */
export function walk(
  reader: CodeReader,
  pages: Pages,
  entry: number,
  { limit, endsAt, also }: WalkOptions,
): Walk {
  const start = pages.first;
  const parcels = pages.second === undefined ? PAGE_PARCELS : 2 * PAGE_PARCELS;
  const first = (entry - start) >>> 1;
  found.fill(undefined);
  leads.fill(0);
  leads[first] = 1;
  // An instruction across the boundary needs both pages: it leads what does.
  leads[PAGE_PARCELS] = 1;
  leads[PAGE_PARCELS - 1] = 1;
  const work: number[] = [];
  const seams = new Set<number>();
  let size = 0;
  let lowest = first;
  let last = first;
  const reach = (target: number): void => {
    const at = (target - start) >>> 1;
    if (at < lowest) lowest = at;
    leads[at] = 1;
    work.push(at);
  };
  for (const address of also) reach(address);
  work.push(first);
  while (work.length > 0) {
    let parcel = work.pop() as number;
    while (parcel < parcels && found[parcel] === undefined && size < limit) {
      if (parcel !== first && endsAt(hostOf(pages, start + parcel * 2))) {
        seams.add(start + parcel * 2);
        leads[parcel] = 1;
        break;
      }
      const next = readInstruction(reader, pages, start + parcel * 2);
      if (next === undefined || !isTranslatable(next)) break;
      found[parcel] = next;
      size++;
      if (parcel > last) last = parcel;
      const { transfer } = next;
      parcel += next.length >>> 1;
      if (transfer === undefined) continue;
      const target = targetOf(next);
      if (target !== undefined && target >= start && target < start + parcels * 2) reach(target);
      if (parcel < parcels) leads[parcel] = 1;
      if (!RETURNS_HERE.has(transfer)) break;
    }
  }
  return { blocks: size === 0 ? [] : cut(lowest, last), size, isCut: size >= limit, seams };
}

/**
 * Cuts the instructions that were found, from parcel `lowest` to `last`, into blocks. Where instructions overlap, since control
 * gets into the middle of one, a block may end at one that another block has in its middle.
 */
function cut(lowest: number, last: number): Block[] {
  const blocks: Block[] = [];
  placed.fill(0);
  for (let start = lowest; start <= last; start++) {
    let next = found[start];
    if (next === undefined || placed[start] === 1) continue;
    let parcel = start;
    const instructions: DecodedInstruction[] = [];
    let exposed = 0;
    let written = 0;
    let end = next;
    do {
      instructions.push(next);
      placed[parcel] = 1;
      end = next;
      exposed |= next.read & ~written;
      written |= next.written;
      parcel += next.length >>> 1;
      next = parcel > last || leads[parcel] === 1 || placed[parcel] === 1 ? undefined : found[parcel];
    } while (next !== undefined && end.transfer === undefined);
    const { transfer } = end;
    const target = targetOf(end);
    blocks.push({
      copy: 0,
      start: (instructions[0] as DecodedInstruction).address,
      end: end.address + end.length,
      instructions,
      targets: target === undefined ? [] : [placeOf(0, target)],
      fallsThrough: transfer === undefined || RETURNS_HERE.has(transfer),
      isCall: transfer === "call" || transfer === "indirect-call",
      exposed,
      written,
    });
  }
  return blocks;
}

import {
  type FetchTlbLayout,
  type HartBlocks,
  type HostAddress,
  type HostAddresses,
  type MachineMemory,
  pageNumber,
} from "@isomorph/mmu";
import type { Code, FunctionRef, I32, Int, ModuleBuilder, Var } from "@isomorph/wasm";

/**
 * Where translations are found, in memory 0 of the machine: for each page of RAM the place of a table, or 0, in
 * `directory`; a table has a signed 16-bit entry for each parcel of its page. Above zero, an entry is the index of
 * the translation that starts there; below, minus the number of times the place was reached; 0 where nothing is known.
 * Tables are made when a page is first asked about and given out one after the other.
 */
export interface CodeMap {
  /** Place of the directory: 4 bytes for each page of RAM. */
  readonly directory: number;
  /** Host address of RAM, whose first page the directory starts with. */
  readonly ramOffset: number;
  /** Pages of RAM. */
  readonly pages: number;
  /** Where the place of the next free table is (4 bytes). */
  readonly next: number;
  /** Counts for regions, by some bits of their host address (2 bytes each). */
  readonly blame: number;
  /** The same for crossings from one region into another that might be one. */
  readonly seams: number;
  /**
   * Counts by some bits of a host address (4 bytes each): how often regions called from there what they might have a copy
   * of, and how often their indirect jumps led there.
   */
  readonly ways: number;
  readonly limits: WholeLimits;
  /** The tables: the places of the first and after the last. */
  readonly start: number;
  readonly end: number;
}

const PAGE_BITS = 12;
/** Bytes of a table. */
const TABLE_SIZE = 4096;
const BLAME_ENTRIES = 4096;
const WAYS = 4096;
const LEAST_TABLES = 256;
const MOST_TABLES = 16384;

/** Instructions that a region may leave to the interpreter before it is translated anew. */
export const PATIENCE_LIMIT = 256;
/** How often something happens in a region until it is translated anew, whole. */
export interface WholeLimits {
  /** Crossings into other regions. */
  readonly seams: number;
  /** Indirect jumps to one place. */
  readonly dispatch: number;
  /** Calls from one place: a copy of the callee is compiled and optimised anew, which pays late. */
  readonly calls: number;
}

/** The limits that belong to a translation threshold: 6144, 140,625 and 2.25 million for 3000; with 1, a few. */
function wholeLimits(threshold: number): WholeLimits {
  return {
    seams: Math.min(Math.ceil(threshold * 2.048), LARGEST_ENTRY),
    dispatch: Math.max(Math.ceil(threshold ** 2 / 64), 3),
    calls: Math.max(Math.ceil(threshold ** 2 / 4), 16),
  };
}

/** Highest index of a translation and highest count in an entry. */
export const LARGEST_ENTRY = 32767;

/** Bytes that the map of a machine takes, from `at` on. */
export function codeMapSize(at: number, ramSize: number): number {
  return layOut(at, ramSize).end - at;
}

/**
 * The map that lies at `at`.
 *
 * @param threshold - How often a place is reached before its code is translated.
 */
export function codeMap(at: number, ramSize: number, ramOffset: number, threshold: number): CodeMap {
  return { ...layOut(at, ramSize), ramOffset, limits: wholeLimits(threshold) };
}

function layOut(at: number, ramSize: number): Omit<CodeMap, "ramOffset" | "limits"> {
  const pages = pageNumber(ramSize);
  // The directory is addressed by host address, from a place in front of it that must not be below zero.
  const blame = at + 8;
  const seams = blame + BLAME_ENTRIES * 2;
  const ways = seams + BLAME_ENTRIES * 2;
  const directory = ways + WAYS * 4;
  const tables = Math.min(Math.max(pages >>> 3, LEAST_TABLES), MOST_TABLES);
  const start = Math.ceil((directory + pages * 4) / TABLE_SIZE) * TABLE_SIZE;
  return { next: at, blame, seams, ways, directory, pages, start, end: start + tables * TABLE_SIZE };
}

/** The place of the table of a host address's page, 0 where there is none. */
export function tableOf(code: Code, map: CodeMap, addresses: HostAddresses, host: Var<Int>): I32 {
  const base = map.directory - pageNumber(map.ramOffset) * 4;
  return code.i32.load(pageTimes4(code, addresses, host.get()), base);
}

/** Four times the number of a host address's page, which fits in 32 bits. */
function pageTimes4(code: Code, addresses: HostAddresses, host: HostAddress): I32 {
  return code.i32.and(addresses.to32(code, addresses.ops(code).shrU(host, PAGE_BITS - 2)), -4);
}

/** The place of the entry for an address, of which the low bits count, given that of its page's table. */
export function entryOf(code: Code, table: I32, address: I32): I32 {
  const { i32 } = code;
  return i32.add(table, i32.and(address, TABLE_SIZE - 2));
}

/** The place of the count for a region, given the low bits of its host address. */
export function blameOf(code: Code, map: CodeMap, region: I32): I32 {
  const { i32 } = code;
  return i32.add(i32.and(region, (BLAME_ENTRIES - 1) * 2), map.blame);
}

/** What {@link blameOf} tells for a region that is known, and the place of its other count. */
export function countsOf(map: CodeMap, region: number): { readonly blame: number; readonly seams: number } {
  const offset = region & ((BLAME_ENTRIES - 1) * 2);
  return { blame: map.blame + offset, seams: map.seams + offset };
}

/** The place of the count of a way that a region goes: a call at a host address, or an indirect jump to it. */
export function wayAddress(map: CodeMap, host: number): number {
  return map.ways + wayIndex(host) * 4;
}

/** Pushes {@link wayAddress} less `ways`, given the low bits of the host address. */
export function wayOf(code: Code, host: Var<"i32">): I32 {
  const { i32 } = code;
  return i32.and(i32.xor(i32.shl(host.get(), 1), i32.shrU(host.get(), 11)), (WAYS - 1) * 4);
}

/**
 * Counts a way whose count is at `base` plus `offset`. At the limit, `due` is executed, and the way goes on as one that is
 * known to be hot.
 */
export function countWay(code: Code, base: () => I32, offset: number, limit: number, due: () => void): void {
  const { i32 } = code;
  const times = code.let32(i32.add(i32.load(base(), offset), 1));
  i32.store(base(), times.get(), offset);
  code.if(
    i32.geU(times.get(), limit),
    () => {
      i32.store(base(), hotFrom(limit), offset);
      due();
    },
    undefined,
    "unlikely",
  );
}

/** The count of a way from which on it is hot, given the limit for such ways. */
function hotFrom(limit: number): number {
  return Math.ceil(limit / 16);
}

/** Where the count for a host address is, in units of 4 bytes. */
function wayIndex(host: number): number {
  return ((host >>> 1) ^ (host >>> 13)) & (WAYS - 1);
}

/** `(host) → table`: the table of a page, made if there is none; 0 when there is no room for it. */
export type TableFor = FunctionRef<readonly [Int], "i32">;

/** @param see - Called with a host address in each page that gets a table. */
export function defineTableFor(
  module: ModuleBuilder,
  map: CodeMap,
  addresses: HostAddresses,
  see?: FunctionRef<readonly [Int], undefined>,
): TableFor {
  return module.function("codeTableFor", [addresses.type], "i32", (code, [host]) => {
    const { i32 } = code;
    const table = code.let32(tableOf(code, map, addresses, host));
    code.if(table.get(), () => code.return(table.get()));
    table.set(i32.load(i32.const(map.next)));
    code.if(i32.geU(table.get(), map.end), () => code.return(i32.const(0)));
    i32.store(i32.const(map.next), i32.add(table.get(), TABLE_SIZE));
    const start = i32.const(map.directory);
    const ramPage = pageTimes4(code, addresses, addresses.ops(code).sub(host.get(), map.ramOffset));
    const place = i32.add(start, ramPage);
    const at = code.let32(place);
    i32.store(at.get(), table.get());
    if (see !== undefined) code.call(see, host.get());
    return table.get();
  });
}

/**
 * The entry for a host address in a map that another thread may be changing: above zero for a translation, else how often
 * the place was reached, below zero.
 */
export function entryIn({ directory, ramOffset }: CodeMap, buffer: ArrayBufferLike, host: number): number {
  const page = pageNumber(host - ramOffset);
  const table = new Uint32Array(buffer, directory, page + 1)[page] as number;
  return table === 0 ? 0 : (new Int16Array(buffer, table + (host & (TABLE_SIZE - 2)), 1)[0] as number);
}

/** A code map as JavaScript sees it. */
export class CodeMapView {
  readonly #map: CodeMap;
  readonly #harts: HartBlocks;
  readonly #fetchTlb: FetchTlbLayout;
  readonly #words: Uint32Array;
  readonly #entries: Int16Array;
  readonly #see: ((host: number) => void) | undefined;

  /**
   * @param harts - Those whose TLBs refer to the tables.
   * @param see - Called with a host address in each page that gets a table.
   */
  constructor(
    map: CodeMap,
    harts: HartBlocks,
    { memories, host }: MachineMemory,
    see?: (host: number) => void,
  ) {
    const { buffer } = memories.memory;
    this.#fetchTlb = host.fetchTlb;
    this.#map = map;
    this.#harts = harts;
    this.#see = see;
    this.#words = new Uint32Array(buffer);
    this.#entries = new Int16Array(buffer);
    this.clear();
  }

  /** The place of the entry for a host address; undefined when its page has no table. */
  entryAddress(host: number): number | undefined {
    const table = this.#words[this.#directoryIndex(host)] as number;
    return table === 0 ? undefined : table + (host & (TABLE_SIZE - 2));
  }

  set(host: number, value: number): void {
    const at = this.entryAddress(host);
    if (at !== undefined) this.#entries[at >>> 1] = value;
  }

  /** Whether a translation starts at a host address. */
  isTranslated(host: number): boolean {
    const at = this.entryAddress(host);
    return at !== undefined && (this.#entries[at >>> 1] as number) > 0;
  }

  /** Counts on to `count`, which is below zero, where nothing is translated and less was counted so far. */
  countTo(host: number, count: number): void {
    const at = this.entryAddress(host);
    if (at === undefined) return;
    const value = this.#entries[at >>> 1] as number;
    if (value <= 0 && value > count) this.#entries[at >>> 1] = count;
  }

  /** How often regions counted a way by {@link countWay}; about, as ways share counts. */
  waysBy(host: number): number {
    return this.#words[(this.#map.ways >>> 2) + wayIndex(host)] as number;
  }

  /** Whether calls from a place, given by the host address behind it, are worth a copy of the callee. */
  isHotCall(host: number): boolean {
    return this.waysBy(host) >= hotFrom(this.#map.limits.calls);
  }

  /** Whether something is known of a host address: it was reached, or is translated. */
  isKnown(host: number): boolean {
    const at = this.entryAddress(host);
    return at !== undefined && this.#entries[at >>> 1] !== 0;
  }

  /** Takes back the count of crossings from a region into others; whether it was at its limit. */
  takeSeams(region: number): boolean {
    const at = countsOf(this.#map, region).seams >>> 1;
    const isLong = (this.#entries[at] as number) >= this.#map.limits.seams;
    if (isLong) this.#entries[at] = 0;
    return isLong;
  }

  /** Makes the table of a page if there is none. False when there is no room for it. */
  ensureTable(host: number): boolean {
    const at = this.#directoryIndex(host);
    if (this.#words[at] !== 0) return true;
    const next = this.#words[this.#map.next >>> 2] as number;
    if (next >= this.#map.end) return false;
    this.#words[this.#map.next >>> 2] = next + TABLE_SIZE;
    this.#words[at] = next;
    this.#see?.(host);
    return true;
  }

  /** Forgets everything. */
  clear(): void {
    const { start: first, stride, count } = this.#harts;
    const { START, ENTRIES, ENTRY_SIZE, EXTRA } = this.#fetchTlb;
    for (let hart = 0; hart < count; hart++) {
      const extra = first + hart * stride + START + EXTRA;
      for (let entry = 0; entry < ENTRIES; entry++) {
        this.#words[(extra + entry * ENTRY_SIZE) >>> 2] = 0;
      }
    }
    const { directory, pages, start, next, blame } = this.#map;
    // The counts follow one another.
    this.#words.fill(0, blame >>> 2, directory >>> 2);
    const used = this.#words[next >>> 2] as number;
    this.#words.fill(0, directory >>> 2, (directory >>> 2) + pages);
    if (used > start) this.#words.fill(0, start >>> 2, used >>> 2);
    this.#words[next >>> 2] = start;
  }

  #directoryIndex(host: number): number {
    return (this.#map.directory >>> 2) + pageNumber(host - this.#map.ramOffset);
  }
}

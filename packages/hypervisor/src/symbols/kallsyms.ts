import type { RawSymbol } from "./symbol-table.ts";
import { textRank } from "./symbol-types.ts";

/**
 * Reads the symbol table that Linux carries for itself (CONFIG_KALLSYMS): its tables lie somewhere among the kernel's
 * read-only data, one after the other, and nothing says where. What gives them away is the table of tokens, in which
 * the digits stand for themselves; everything else is found from there and has to fit exactly.
 *
 * Layout (kernel/kallsyms.c and scripts/kallsyms.c describe it): each table is aligned to 8 bytes.
 * - `num_syms` (4 bytes); `names`: for each symbol a length in tokens (one byte, or two when bit 7 is set: low seven
 *   bits first) and that many token numbers; the first character of the name so made is its type;
 * - `markers` (4 bytes each): where every 256th name starts; `token_table`: 256 strings; `token_index` (2 bytes each);
 * - `offsets` (4 bytes each) and `relative_base` (8 bytes): addresses; before 6.4 they came before `num_syms`.
 */
const TOKENS = 256;
const NAMES_PER_MARKER = 256;
const MAX_SYMBOLS = 1 << 21;
/** The longest name: Linux's own limit is 511. */
const MAX_NAME = 1024;
/** Characters of all names together, so that no file can ask for all memory. */
const MAX_CHARACTERS = 1 << 27;
const MAX_CANDIDATES = 256;
/** How far before `markers` the table of names may start beyond what the last marker says: 256 names. */
const LONGEST_TAIL = NAMES_PER_MARKER * 0x82;
/** Names that are looked at in search of the tables. */
const MAX_WORK = 1 << 24;
const HIGHER_HALF = 1n << 63n;

/** The code symbols in the symbol table of a Linux kernel's image (not compressed); undefined when none is found. */
export function kallsyms(image: Uint8Array): RawSymbol[] | undefined {
  let at = -1;
  const reader = new Kallsyms(image);
  const digits = Uint8Array.from([..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]));
  for (let candidates = 0; candidates < MAX_CANDIDATES; candidates++) {
    at = indexOfBytes(image, digits, at + 1);
    if (at < 0) return undefined;
    const symbols = reader.decode(at);
    if (symbols !== undefined) return symbols;
  }
  return undefined;
}

function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0] as number;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + wanted.length <= bytes.length && wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

interface TokenTable {
  readonly start: number;
  /** After the index. */
  readonly end: number;
  readonly tokens: readonly string[];
}

class Kallsyms {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #work = MAX_WORK;

  constructor(image: Uint8Array) {
    this.#bytes = image;
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  }

  /** @param digits - Where the token of the digit 0 is. */
  decode(digits: number): RawSymbol[] | undefined {
    const table = this.#tokenTable(digits);
    const markers = table && this.#markers(table.start);
    const names = markers && this.#names(markers);
    if (table === undefined || markers === undefined || names === undefined) return undefined;
    const offsets =
      this.#addresses(alignUp(table.end), names.count, "after") ??
      this.#addresses(names.start - 8, names.count, "before");
    return offsets && this.#symbols(names, table.tokens, offsets);
  }

  #tokenTable(digits: number): TokenTable | undefined {
    // The index comes after the 208 tokens from the digit 0 on; it says where the first one is.
    let end = digits;
    for (let token = 48; token < TOKENS; token++) {
      end = this.#bytes.indexOf(0, end) + 1;
      if (end === 0 || end - digits > 0x10000) return undefined;
    }
    const index = alignUp(end);
    if (index + 2 * TOKENS > this.#bytes.length) return undefined;
    const start = digits - this.#view.getUint16(index + 2 * 48, true);
    if (start < 0 || start % 8 !== 0) return undefined;
    const tokens: string[] = [];
    let next = start;
    for (let token = 0; token < TOKENS; token++) {
      if (this.#view.getUint16(index + 2 * token, true) !== next - start) return undefined;
      const nul = this.#bytes.indexOf(0, next);
      tokens.push(String.fromCharCode(...this.#bytes.subarray(next, nul)));
      next = nul + 1;
    }
    return next === end ? { start, end: index + 2 * TOKENS, tokens } : undefined;
  }

  /** The markers that end where the token table starts: they rise from 0. */
  #markers(tableStart: number): Markers | undefined {
    for (const end of [tableStart, tableStart - 4]) {
      let at = end - 4;
      if (at < 0) continue;
      let value = this.#view.getUint32(at, true);
      while (value !== 0 && at >= 4) {
        const before = this.#view.getUint32(at - 4, true);
        // 256 names take 512 bytes or more.
        if (before + 2 * NAMES_PER_MARKER > value) break;
        at -= 4;
        value = before;
      }
      if (value === 0 && at % 8 === 0 && end - at >= 8) return new Markers(this.#view, at, end);
    }
    return undefined;
  }

  /** The names that end where the markers start. */
  #names(markers: Markers): { start: number; count: number } | undefined {
    const latest = markers.start - markers.last;
    for (let start = latest - (latest % 8); start >= 8 && start > latest - LONGEST_TAIL; start -= 8) {
      const count = this.#view.getUint32(start - 8, true);
      const groups = Math.ceil(count / NAMES_PER_MARKER);
      if (groups !== markers.length || count > MAX_SYMBOLS || this.#view.getUint32(start - 4, true) !== 0)
        continue;
      if (this.#namesFit(start, count, markers)) return { start, count };
    }
    return undefined;
  }

  #namesFit(start: number, count: number, markers: Markers): boolean {
    let at = start;
    for (let index = 0; index < count; index++) {
      if (index % NAMES_PER_MARKER === 0 && markers.at(index / NAMES_PER_MARKER) !== at - start) return false;
      const { length, size } = this.#nameLength(at);
      if (length === 0 || this.#work-- <= 0) return false;
      at += size + length;
      if (at > markers.start) return false;
    }
    return alignUp(at) === markers.start;
  }

  #nameLength(at: number): { length: number; size: 1 | 2 } {
    const first = this.#bytes[at] as number;
    if (first < 0x80) return { length: first, size: 1 };
    return { length: (first & 0x7f) | ((this.#bytes[at + 1] as number) << 7), size: 2 };
  }

  /** Where the addresses are: `count` rising offsets and their base, from `place` on or up to it. */
  #addresses(place: number, count: number, side: "after" | "before"): Addresses | undefined {
    const size = alignUp(4 * count);
    const offsets = side === "after" ? place : place - 8 - size;
    const base = offsets + size;
    if (offsets < 0 || base + 8 > this.#bytes.length) return undefined;
    for (let index = 1, previous = this.#view.getUint32(offsets, true); index < count; index++) {
      const offset = this.#view.getUint32(offsets + 4 * index, true);
      if (offset < previous) return undefined;
      previous = offset;
    }
    const address = this.#view.getBigUint64(base, true);
    if (address < HIGHER_HALF || address % 4096n !== 0n) return undefined;
    return { base: address, offsets };
  }

  #symbols(
    names: { start: number; count: number },
    tokens: readonly string[],
    { base, offsets }: Addresses,
  ): RawSymbol[] | undefined {
    const symbols: RawSymbol[] = [];
    let at = names.start;
    let characters = 0;
    for (let index = 0; index < names.count; index++) {
      const { length, size } = this.#nameLength(at);
      at += size;
      let text = "";
      for (const end = at + length; at < end; at++) {
        text += tokens[this.#bytes[at] as number];
        if (text.length > MAX_NAME) return undefined;
      }
      characters += text.length;
      if (characters > MAX_CHARACTERS) return undefined;
      const name = text.slice(1);
      const rank = textRank(text[0] as string, name);
      if (rank === undefined) continue;
      const address = base + BigInt(this.#view.getUint32(offsets + 4 * index, true));
      symbols.push({ name, address, size: 0, rank });
    }
    return symbols;
  }
}

interface Addresses {
  readonly base: bigint;
  /** Where the offsets are in the image. */
  readonly offsets: number;
}

class Markers {
  readonly start: number;
  readonly length: number;
  readonly #view: DataView;

  constructor(view: DataView, start: number, end: number) {
    this.#view = view;
    this.start = start;
    this.length = (end - start) / 4;
  }

  at(index: number): number {
    return this.#view.getUint32(this.start + 4 * index, true);
  }

  get last(): number {
    return this.at(this.length - 1);
  }
}

function alignUp(value: number): number {
  return Math.ceil(value / 8) * 8;
}

import { disassemble } from "@isomorph/cpu/disasm";
import type { ByteSource, ProgramSymbol, SymbolTable } from "@isomorph/hypervisor/symbols";
import type { CodeArea } from "./code-areas.ts";

/** Bytes that are read at once. */
const CHUNK = 1 << 16;
/** Texts of instructions that are remembered: programs say the same again and again. */
const MAX_REMEMBERED = 1 << 16;

const BRANCH = 0x63;
const JAL = 0x6f;
const JALR = 0x67;
const AUIPC = 0x17;

/** What is shown of an area: `[start, stop)`. */
export interface Range {
  readonly start: bigint;
  readonly stop: bigint;
}

/**
 * Disassembles code as text, piece by piece: a label before each symbol's address, and for each instruction a line with
 * address, bytes (as the number that they are) and text. Targets of branches have the symbol and the distance to it.
 */
export class Listing {
  readonly #source: ByteSource;
  readonly #symbols: SymbolTable;
  readonly #texts = new Map<number, string>();
  /** What the last instruction put where, if it was `auipc`. */
  #upper: { readonly register: number; readonly value: bigint } | undefined;

  constructor(source: ByteSource, symbols: SymbolTable) {
    this.#source = source;
    this.#symbols = symbols;
  }

  /** The lines for the part of an area that lies in the range, some thousand at a time. */
  *lines(area: CodeArea, range: Range): Generator<string> {
    const end = area.address + BigInt(area.size);
    const stop = lower(end, range.stop);
    let address = higher(area.address, range.start);
    let next = this.#symbols.next(address - 1n);
    if (address >= stop) return;
    const first = this.#symbols.find(address);
    if (first !== undefined && first.address < address)
      yield `\n${hex(address)} <${this.#place(address)}>:\n`;
    this.#upper = undefined;
    while (address < stop) {
      const size = Math.min(CHUNK, Number(stop - address));
      const bytes = this.#source.read(area.offset + Number(address - area.address), size);
      const isLast = address + BigInt(size) >= stop;
      const shown = addressTexts(address);
      const distance = (symbol: ProgramSymbol | undefined): number =>
        symbol === undefined ? Number.POSITIVE_INFINITY : Number(symbol.address - address);
      let label = distance(next);
      let text = "";
      let at = 0;
      // The last parcel of a piece may be the first half of an instruction that goes on in the next.
      while (at < size && (isLast || at + 4 <= size)) {
        if (label === at) {
          text += `\n${shown(at)} <${next?.name}>:\n`;
          next = this.#symbols.next(address + BigInt(at));
          label = distance(next);
        }
        // An instruction does not reach into what has a name of its own.
        const { word, length } = instructionAt(bytes, at, Math.min(size, label));
        const encoding = word
          .toString(16)
          .padStart(2 * length, "0")
          .padEnd(8);
        text += `${shown(at)}:  ${encoding}  ${this.#text(word, length, address, at)}\n`;
        at += length;
      }
      yield text;
      address += BigInt(at);
    }
  }

  /** @param at - Bytes from `base` to the instruction. */
  #text(word: number, length: number, base: bigint, at: number): string {
    const isFull = (word & 3) === 3;
    if (length < (isFull ? 4 : 2)) {
      this.#upper = undefined;
      return `.${length === 1 ? "" : length}byte 0x${word.toString(16)}`;
    }
    if (isRelative(word)) {
      this.#upper = undefined;
      return this.#branch(word, base + BigInt(at));
    }
    let text = this.#texts.get(word);
    if (text === undefined) {
      if (this.#texts.size >= MAX_REMEMBERED) this.#texts.clear();
      text = disassemble(word).text;
      this.#texts.set(word, text);
    }
    if (!isFull) {
      this.#upper = undefined;
      return text;
    }
    return text + this.#reference(word, base, at);
  }

  #branch(word: number, address: bigint): string {
    const { text } = disassemble(word, address);
    const target = /0x([0-9a-f]+)$/.exec(text);
    if (target === null || text.startsWith(".")) return text;
    const place = this.#place(BigInt(target[0]));
    return place === "" ? text : `${text} <${place}>`;
  }

  /** The address that this instruction makes with `auipc` before it: ` # 0x80001234 <main>`. */
  #reference(word: number, base: bigint, at: number): string {
    const upper = this.#upper;
    this.#upper = undefined;
    if ((word & 0x7f) === AUIPC) {
      const value = BigInt.asUintN(64, base + BigInt(at + (word & ~0xfff)));
      this.#upper = { register: (word >>> 7) & 31, value };
      return "";
    }
    if (upper === undefined) return "";
    const low = lowPart(word);
    if (low === undefined || ((word >>> 15) & 31) !== upper.register) return "";
    const target = BigInt.asUintN(64, upper.value + BigInt(low));
    const place = this.#place(target);
    return ` # 0x${target.toString(16)}${place === "" ? "" : ` <${place}>`}`;
  }

  /** `symbol+0x12`; empty where no symbol covers the address. */
  #place(address: bigint): string {
    const symbol = this.#symbols.find(address);
    if (symbol === undefined) return "";
    return symbol.address === address
      ? symbol.name
      : `${symbol.name}+0x${(address - symbol.address).toString(16)}`;
  }
}

/** The instruction at an offset, or what there is of it before `limit`. */
function instructionAt(bytes: Uint8Array, at: number, limit: number): { word: number; length: 1 | 2 | 4 } {
  const first = bytes[at] as number;
  if (limit - at < 2) return { word: first, length: 1 };
  const low = first | ((bytes[at + 1] as number) << 8);
  if ((low & 3) !== 3 || limit - at < 4) return { word: low, length: 2 };
  return {
    word: (low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0,
    length: 4,
  };
}

/** The addresses from `base` on as text, for offsets up to {@link CHUNK}. */
function addressTexts(base: bigint): (offset: number) => string {
  const low = Number(base & 0xffffffn);
  const above = base >> 24n;
  const prefixes = [above, above + 1n].map((part) => (part === 0n ? "" : part.toString(16)));
  return (offset) => {
    const sum = low + offset;
    const prefix = prefixes[sum >>> 24] as string;
    const digits = (sum & 0xffffff).toString(16).padStart(6, "0");
    return prefix.length < 2 ? (prefix + digits).padStart(8, "0") : prefix + digits;
  };
}

/** The number that a load, store, `addi` or `jalr` adds to its register. */
function lowPart(word: number): number | undefined {
  switch (word & 0x7f) {
    case 0x13:
      return ((word >>> 12) & 7) === 0 ? word >> 20 : undefined;
    case 0x03:
    case 0x07:
    case JALR:
      return word >> 20;
    case 0x23:
    case 0x27:
      return ((word >> 25) << 5) | ((word >>> 7) & 31);
    default:
      return undefined;
  }
}

/** Whether an instruction's text depends on where it is: branches and jumps. */
function isRelative(word: number): boolean {
  if ((word & 3) === 3) return (word & 0x7f) === BRANCH || (word & 0x7f) === JAL;
  // c.j, c.beqz and c.bnez: quadrant 1, funct3 5 to 7.
  return (word & 3) === 1 && word >>> 13 >= 5;
}

function hex(address: bigint): string {
  return address.toString(16).padStart(8, "0");
}

/** The lower of two addresses. */
export function lower(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** The higher of two addresses. */
export function higher(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

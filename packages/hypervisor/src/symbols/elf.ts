import { elfMachineName } from "../loader/identify.ts";
import type { ByteSource } from "./byte-source.ts";
import { symbolsError } from "./errors.ts";
import type { RawSymbol } from "./symbol-table.ts";
import { isMarker, nameRank } from "./symbol-types.ts";

/** A section of an ELF file (System V ABI, chapter 4, "Sections"). */
export interface ElfSection {
  readonly name: string;
  /** `sh_type`. */
  readonly type: number;
  /** Guest virtual address. */
  readonly address: bigint;
  /** Where its bytes are in the file. */
  readonly offset: number;
  readonly size: number;
  /** SHF_EXECINSTR is set, and it has bytes in the file. */
  readonly isCode: boolean;
  readonly link: number;
}

/** What an ELF file says of itself. */
export interface ElfFile {
  /** `e_type`: 1 relocatable, 2 executable, 3 shared or position-independent. */
  readonly type: number;
  readonly sections: readonly ElfSection[];
  /** Segments to load that may be executed: what there is without section headers. */
  readonly code: readonly ElfSection[];
}

const EM_RISCV = 243;
const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SYM_SIZE = 24;
const PT_LOAD = 1;
const PF_X = 1;
const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHT_DYNSYM = 11;
const SHF_EXECINSTR = 4n;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_SECTION = 3;
const STT_FILE = 4;
const STB_LOCAL = 0;
const STB_WEAK = 2;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const SHN_XINDEX = 0xffff;
const MAX_SECTIONS = 1 << 16;
const MAX_SYMBOLS = 1 << 22;
const MAX_SECTION_NAME = 256;
const MAX_NAME = 4096;
/** Characters of all names together: names may overlap, and a small file could ask for all memory. */
const MAX_CHARACTERS = 1 << 27;

export function isElf(source: ByteSource): boolean {
  if (source.size < 4) return false;
  return new DataView(copy(source.read(0, 4))).getUint32(0, false) === 0x7f454c46;
}

/**
 * Reads the headers of an ELF64 file for little-endian RISC-V. Throws an error with code `ERR_SYMBOLS_FORMAT` that
 * names the offset at which something is wrong.
 */
export function readElf(source: ByteSource): ElfFile {
  const header = window(source, 0, EHDR_SIZE, "the ELF header");
  if (header.getUint32(0, false) !== 0x7f454c46)
    throw symbolsError("is not an ELF file: no magic at offset 0");
  const machine = header.getUint16(18, header.getUint8(5) !== 2);
  if (machine !== EM_RISCV || header.getUint8(4) !== 2 || header.getUint8(5) !== 1) {
    const bits = header.getUint8(4) === 2 ? "64" : "32";
    const order = header.getUint8(5) === 2 ? "big" : "little";
    const what = `${elfMachineName(machine)}, ${bits}-bit, ${order}-endian`;
    throw symbolsError(
      `is an ELF file for another processor (${what}, offsets 4, 5 and 18): expected riscv64`,
    );
  }
  return {
    type: header.getUint16(16, true),
    sections: readSections(source, header),
    code: readSegments(source, header),
  };
}

function readSections(source: ByteSource, header: DataView): ElfSection[] {
  const table = Number(header.getBigUint64(40, true));
  if (table === 0) return [];
  if (header.getUint16(58, true) !== SHDR_SIZE) {
    throw symbolsError(
      `has section headers of ${header.getUint16(58, true)} bytes (offset 58), not ${SHDR_SIZE}`,
    );
  }
  const first = window(source, table, SHDR_SIZE, "the section headers");
  // Where there are too many for the ELF header, section 0 says how many.
  const count = header.getUint16(60, true) || Number(first.getBigUint64(32, true));
  const names =
    header.getUint16(62, true) === SHN_XINDEX ? first.getUint32(40, true) : header.getUint16(62, true);
  if (count > MAX_SECTIONS)
    throw symbolsError(`has ${count} sections (offset 60), more than ${MAX_SECTIONS}`);
  const headers = window(source, table, count * SHDR_SIZE, "the section headers");
  const strings =
    names < count
      ? optionalWindow(
          source,
          Number(headers.getBigUint64(names * SHDR_SIZE + 24, true)),
          Number(headers.getBigUint64(names * SHDR_SIZE + 32, true)),
        )
      : undefined;
  return Array.from({ length: count }, (_, index) => {
    const at = index * SHDR_SIZE;
    const type = headers.getUint32(at + 4, true);
    const flags = headers.getBigUint64(at + 8, true);
    return {
      name: strings === undefined ? "" : stringAt(strings, headers.getUint32(at, true), MAX_SECTION_NAME),
      type,
      address: headers.getBigUint64(at + 16, true),
      offset: Number(headers.getBigUint64(at + 24, true)),
      size: Number(headers.getBigUint64(at + 32, true)),
      isCode: type === SHT_PROGBITS && (flags & SHF_EXECINSTR) !== 0n,
      link: headers.getUint32(at + 40, true),
    };
  });
}

function readSegments(source: ByteSource, header: DataView): ElfSection[] {
  const table = Number(header.getBigUint64(32, true));
  const count = header.getUint16(56, true);
  if (table === 0 || count === 0 || header.getUint16(54, true) !== PHDR_SIZE) return [];
  const headers = window(source, table, count * PHDR_SIZE, "the program headers");
  const code: ElfSection[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * PHDR_SIZE;
    if (headers.getUint32(at, true) !== PT_LOAD || (headers.getUint32(at + 4, true) & PF_X) === 0) continue;
    const size = Number(headers.getBigUint64(at + 32, true));
    if (size === 0) continue;
    code.push({
      name: `segment ${index}`,
      type: SHT_PROGBITS,
      address: headers.getBigUint64(at + 16, true),
      offset: Number(headers.getBigUint64(at + 8, true)),
      size,
      isCode: true,
      link: 0,
    });
  }
  return code;
}

/** The symbols of code in an ELF file: those of its symbol table, without one those that it offers to others. */
export function elfCodeSymbols(source: ByteSource, { sections }: ElfFile): RawSymbol[] {
  const table =
    sections.find(({ type }) => type === SHT_SYMTAB) ?? sections.find(({ type }) => type === SHT_DYNSYM);
  const strings = table && sections[table.link];
  if (table === undefined || strings === undefined || strings.type === SHT_NOBITS) return [];
  const entries = window(source, table.offset, table.size, `section ${table.name}`);
  const names = window(source, strings.offset, strings.size, `section ${strings.name}`);
  const count = Math.min(Math.floor(entries.byteLength / SYM_SIZE), MAX_SYMBOLS);
  const symbols: RawSymbol[] = [];
  let characters = 0;
  for (let index = 0; index < count && characters < MAX_CHARACTERS; index++) {
    const at = index * SYM_SIZE;
    const info = entries.getUint8(at + 4);
    const section = entries.getUint16(at + 6, true);
    const type = info & 15;
    if (section === SHN_UNDEF || section === SHN_ABS || type === STT_SECTION || type === STT_FILE) continue;
    if (type === STT_OBJECT || (section < sections.length && sections[section]?.isCode !== true)) continue;
    const name = stringAt(names, entries.getUint32(at, true), MAX_NAME);
    characters += name.length;
    if (isMarker(name)) continue;
    const binding = info >> 4;
    const base = (binding === STB_LOCAL ? 1 : binding === STB_WEAK ? 2 : 3) + (type === STT_FUNC ? 4 : 0);
    symbols.push({
      name,
      address: entries.getBigUint64(at + 8, true),
      size: Number(BigInt.asUintN(48, entries.getBigUint64(at + 16, true))),
      rank: nameRank(base, name),
    });
  }
  return symbols;
}

function stringAt(strings: DataView, at: number, longest: number): string {
  const bytes = new Uint8Array(strings.buffer, strings.byteOffset, strings.byteLength);
  const limit = Math.min(at + longest, bytes.length);
  let text = "";
  for (let i = at; i < limit && bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

function window(source: ByteSource, offset: number, length: number, what: string): DataView {
  const found = optionalWindow(source, offset, length);
  if (found !== undefined) return found;
  const end = offset + length;
  const place = Number.isSafeInteger(end)
    ? `offsets 0x${offset.toString(16)} to 0x${end.toString(16)}`
    : "far away";
  throw symbolsError(`is cut short or damaged: ${what} at ${place}, and the file has ${source.size} bytes`);
}

function optionalWindow(source: ByteSource, offset: number, length: number): DataView | undefined {
  if (!(offset + length <= source.size)) return undefined;
  return new DataView(copy(source.read(offset, length)));
}

/** Sources may hand out windows on something larger, and Node's Buffer has a `slice` that copies nothing. */
function copy(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

import { bytesForMessage, type ImageKind, imageError } from "../errors.ts";
import { elfMachineName } from "./identify.ts";
import type { ImagePlan, ImageSegment, MemoryRange } from "./image-plan.ts";

const EM_RISCV = 243;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SHDR_SIZE = 64;
const SYM_SIZE = 24;

/** More symbols than this are not searched: no real image has as many. */
const MAX_SYMBOLS = 1 << 22;

/**
 * Places an ELF64 executable for RISC-V: each PT_LOAD segment at its physical address. The entry point is translated
 * to a physical address where a segment's virtual and physical addresses differ.
 *
 * Throws an error with one of the codes of `kind`: `…_TRUNCATED`, `…_FORMAT`, `…_ARCHITECTURE`, `…_TOO_LARGE`.
 */
export function planElf(bytes: Uint8Array, memory: MemoryRange, kind: ImageKind): ImagePlan {
  const view = checkedHeader(bytes, kind);
  const segments: ImageSegment[] = [];
  const entryAddress = view.getBigUint64(24, true);
  let entry: number | undefined;
  let end = 0;
  const table = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  if (count > 0 && view.getUint16(54, true) !== PHDR_SIZE) {
    throw imageError(kind, "FORMAT", "is an ELF file whose program headers have an unknown size: damaged?");
  }
  if (!(table + count * PHDR_SIZE <= bytes.length)) throw cutShort(kind, bytes, table + count * PHDR_SIZE);
  for (let i = 0; i < count; i++) {
    const at = table + i * PHDR_SIZE;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const offset = Number(view.getBigUint64(at + 8, true));
    const virtual = view.getBigUint64(at + 16, true);
    const gpa = Number(view.getBigUint64(at + 24, true));
    const fileSize = Number(view.getBigUint64(at + 32, true));
    const size = Number(view.getBigUint64(at + 40, true));
    if (size === 0) continue;
    if (fileSize > size) {
      throw imageError(
        kind,
        "FORMAT",
        `is an ELF file whose segment ${i} is larger in the file than in memory`,
      );
    }
    if (!(offset + fileSize <= bytes.length)) throw cutShort(kind, bytes, offset + fileSize);
    checkPlace(kind, i, gpa, size, memory);
    segments.push({ gpa, bytes: bytes.subarray(offset, offset + fileSize), size });
    end = Math.max(end, gpa + size);
    const distance = BigInt.asUintN(64, entryAddress - virtual);
    if (distance < BigInt(size)) entry = gpa + Number(distance);
  }
  if (segments.length === 0) throw imageError(kind, "FORMAT", "is an ELF file with nothing to load");
  checkApart(kind, segments);
  if (entry === undefined || entry % 2 !== 0) {
    const text = `is an ELF file whose entry point 0x${entryAddress.toString(16)} lies in none of its segments`;
    throw imageError(kind, "FORMAT", text);
  }
  return { format: "RISC-V ELF executable", entry, segments, end };
}

/**
 * The values of the named symbols of an ELF64 file, from its symbol table; a name that the file does not define is
 * missing from the result, and so are all where there is no symbol table. Throws an image error on a file that
 * is not ELF64 for RISC-V.
 */
export function elfSymbols(bytes: Uint8Array, names: readonly string[]): Map<string, number> {
  const view = checkedHeader(bytes, "FIRMWARE");
  const found = new Map<string, number>();
  const table = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  if (count === 0 || view.getUint16(58, true) !== SHDR_SIZE) return found;
  if (!(table + count * SHDR_SIZE <= bytes.length)) return found;
  for (let i = 0; i < count; i++) {
    const at = table + i * SHDR_SIZE;
    if (view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const link = view.getUint32(at + 40, true);
    if (link >= count) continue;
    const symbols = section(view, at);
    const strings = section(view, table + link * SHDR_SIZE);
    if (symbols !== undefined && strings !== undefined) collectSymbols(symbols, strings, names, found);
  }
  return found;
}

function section(view: DataView, header: number): DataView | undefined {
  const offset = Number(view.getBigUint64(header + 24, true));
  const size = Number(view.getBigUint64(header + 32, true));
  if (!(offset + size <= view.byteLength)) return undefined;
  return new DataView(view.buffer, view.byteOffset + offset, size);
}

function collectSymbols(
  symbols: DataView,
  strings: DataView,
  names: readonly string[],
  found: Map<string, number>,
): void {
  const wanted = names.map((name) => [name, new TextEncoder().encode(`${name}\0`)] as const);
  const count = Math.min(Math.floor(symbols.byteLength / SYM_SIZE), MAX_SYMBOLS);
  for (let i = 0; i < count; i++) {
    const at = i * SYM_SIZE;
    if (symbols.getUint16(at + 6, true) === 0) continue; // SHN_UNDEF
    const nameAt = symbols.getUint32(at, true);
    for (const [name, spelling] of wanted) {
      if (!found.has(name) && spells(strings, nameAt, spelling)) {
        found.set(name, Number(symbols.getBigUint64(at + 8, true)));
      }
    }
  }
}

function spells(strings: DataView, at: number, spelling: Uint8Array): boolean {
  if (at + spelling.length > strings.byteLength) return false;
  for (let i = 0; i < spelling.length; i++) if (strings.getUint8(at + i) !== spelling[i]) return false;
  return true;
}

function checkedHeader(bytes: Uint8Array, kind: ImageKind): DataView {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 20) throw cutShort(kind, bytes, EHDR_SIZE);
  if (view.getUint32(0, false) !== 0x7f454c46) throw imageError(kind, "FORMAT", "is not an ELF file");
  const littleEndian = bytes[5] !== 2;
  const machine = view.getUint16(18, littleEndian);
  if (machine !== EM_RISCV) {
    const text = `is an ELF file for ${elfMachineName(machine)}; this machine runs riscv64`;
    throw imageError(kind, "ARCHITECTURE", text);
  }
  if (bytes[5] !== 1) {
    const text = `is an ELF file for big-endian RISC-V (EI_DATA ${bytes[5]}); this machine is little-endian`;
    throw imageError(kind, "ARCHITECTURE", text);
  }
  if (bytes[4] !== 2) {
    const text = `is an ELF file for 32-bit RISC-V (EI_CLASS ${bytes[4]}); this machine runs riscv64`;
    throw imageError(kind, "ARCHITECTURE", text);
  }
  if (bytes.length < EHDR_SIZE) throw cutShort(kind, bytes, EHDR_SIZE);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    const text = `is an ELF file of type ${type}, not an executable; link it first`;
    throw imageError(kind, "FORMAT", text);
  }
  return view;
}

function cutShort(kind: ImageKind, bytes: Uint8Array, needed: number): Error {
  const rest = Number.isSafeInteger(needed)
    ? ` of at least ${bytesForMessage(needed)}`
    : ", its headers say far more";
  const text = `is an ELF file that is cut short or damaged: ${bytesForMessage(bytes.length)}${rest}; copy it again`;
  return imageError(kind, "TRUNCATED", text);
}

/** Segments that overlap would leave open which one counts, and could make a small file fill memory many times. */
function checkApart(kind: ImageKind, segments: readonly ImageSegment[]): void {
  let previous: ImageSegment | undefined;
  for (const segment of segments.toSorted((a, b) => a.gpa - b.gpa)) {
    if (previous !== undefined && segment.gpa < previous.gpa + previous.size) {
      const text = `is an ELF file with two segments for address 0x${segment.gpa.toString(16)}: damaged?`;
      throw imageError(kind, "FORMAT", text);
    }
    previous = segment;
  }
}

function checkPlace(kind: ImageKind, index: number, gpa: number, size: number, memory: MemoryRange): void {
  const end = memory.base + memory.size;
  if (gpa >= memory.base && gpa + size <= end) return;
  const place = `0x${gpa.toString(16)} to 0x${(gpa + size).toString(16)}`;
  const range = `0x${memory.base.toString(16)} to 0x${end.toString(16)}`;
  if (gpa >= memory.base && gpa < end) {
    const text = `does not fit into guest memory: segment ${index} goes to ${place}, RAM is ${range}; raise \`memory\``;
    throw imageError(kind, "TOO_LARGE", text);
  }
  const text =
    `is an ELF file whose segment ${index} goes to ${place}, outside RAM (${range}); ` +
    "link it for this machine (a Linux kernel: take arch/riscv/boot/Image instead)";
  throw imageError(kind, "FORMAT", text);
}

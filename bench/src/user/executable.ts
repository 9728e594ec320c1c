/** A part of a program in memory. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory; those after {@link bytes} are zero. */
  readonly size: number;
}

/** A static program as Linux starts it. */
export interface Executable {
  readonly entry: number;
  readonly segments: readonly Segment[];
  /** Address after the last segment. */
  readonly end: number;
  /** Where the program headers are in memory, and how many. */
  readonly headers: { readonly address: number; readonly count: number };
}

const EM_RISCV = 243;
const ET_EXEC = 2;
const PT_LOAD = 1;
const EHDR_SIZE = 64;
/** Bytes of a program header. */
export const PHDR_SIZE = 56;

/**
 * Reads a static ELF64 executable for RISC-V (System V ABI, chapters 4 and 5).
 *
 * @throws Error with code `ERR_EXECUTABLE` for anything else.
 */
export function readExecutable(file: Uint8Array): Executable {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < EHDR_SIZE || view.getUint32(0, false) !== 0x7f454c46) throw refused("is not an ELF file");
  const isRiscv64 = view.getUint8(4) === 2 && view.getUint8(5) === 1 && view.getUint16(18, true) === EM_RISCV;
  if (!isRiscv64) throw refused("is for another processor than riscv64");
  if (view.getUint16(16, true) !== ET_EXEC) throw refused("is not linked at a fixed address: use -static");
  const table = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== PHDR_SIZE || table + count * PHDR_SIZE > file.length) {
    throw refused("has damaged program headers");
  }
  const segments: Segment[] = [];
  let headers: number | undefined;
  for (let at = table; at < table + count * PHDR_SIZE; at += PHDR_SIZE) {
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const number = (offset: number): number => Number(view.getBigUint64(at + offset, true));
    const [offset, address, fileSize, size] = [number(8), number(16), number(32), number(40)];
    if (fileSize > size || offset + fileSize > file.length) throw refused("has a damaged segment");
    segments.push({ address, bytes: file.subarray(offset, offset + fileSize), size });
    if (offset <= table && table < offset + fileSize) headers = address + table - offset;
  }
  return {
    entry: Number(view.getBigUint64(24, true)),
    segments,
    end: segments.reduce((end, { address, size }) => Math.max(end, address + size), 0),
    headers: { address: headers ?? 0, count: headers === undefined ? 0 : count },
  };
}

function refused(text: string): Error {
  return Object.assign(new Error(`the program ${text}`), { code: "ERR_EXECUTABLE" });
}

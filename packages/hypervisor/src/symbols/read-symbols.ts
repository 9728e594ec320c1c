import { identify } from "../loader/identify.ts";
import { type ByteSource, bytesSource } from "./byte-source.ts";
import { elfCodeSymbols, isElf, readElf } from "./elf.ts";
import { symbolsError } from "./errors.ts";
import { kallsyms } from "./kallsyms.ts";
import { SymbolTable } from "./symbol-table.ts";
import { systemMapSymbols } from "./system-map.ts";

/** A kernel's image or a list of symbols larger than this is not read. */
const MAX_BYTES = 2 ** 30;

/**
 * The names of code in an ELF64 file for riscv64, a Linux Image with `CONFIG_KALLSYMS`, a `System.map` or a copy of
 * the guest's `/proc/kallsyms`. An ELF file or image without symbols gives an empty table.
 *
 * Throws an error with code `ERR_SYMBOLS_FORMAT` on anything else; its message goes on after the file's name.
 */
export function readSymbols(file: Uint8Array | ByteSource): SymbolTable {
  const source = file instanceof Uint8Array ? bytesSource(file) : file;
  if (isElf(source)) return new SymbolTable(elfCodeSymbols(source, readElf(source)));
  if (source.size > MAX_BYTES)
    throw symbolsError(`is too large to be a list of symbols: ${source.size} bytes`);
  const bytes = source.read(0, source.size);
  const identity = identify(bytes);
  if (identity?.format === "linux-riscv") return new SymbolTable(kallsyms(bytes) ?? []);
  const lines = identity === undefined ? systemMapSymbols(bytes) : undefined;
  if (lines !== undefined) return new SymbolTable(lines);
  const what =
    identity?.format === "foreign" ? `is ${identity.name}` : identity && `is compressed (${identity.format})`;
  throw symbolsError(
    `${what ?? "is of no known format"}: symbols come from an ELF file, a Linux Image, a System.map or /proc/kallsyms`,
  );
}

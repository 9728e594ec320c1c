/**
 * Names of code: from ELF files, from Linux kernels, from lists of symbols.
 *
 * @packageDocumentation
 */
export { type ByteSource, bytesSource } from "./symbols/byte-source.ts";
export { type ElfFile, type ElfSection, readElf } from "./symbols/elf.ts";
export { readSymbols } from "./symbols/read-symbols.ts";
export { type ProgramSymbol, type RawSymbol, SymbolTable } from "./symbols/symbol-table.ts";

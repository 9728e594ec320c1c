/**
 * Disassembler: RISC-V instructions as the assembler takes them, derived from the same description of each
 * instruction as the interpreter and the translator.
 *
 * @packageDocumentation
 */
export { type Disassembly, disassemble } from "./disasm/disassemble.ts";

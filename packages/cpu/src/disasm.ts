/**
 * RV64 processor core: interpreter, translator, assembler and disassembler from one description: `disasm`.
 *
 * @packageDocumentation
 */
export {};

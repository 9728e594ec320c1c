/**
 * Assembler: RISC-V programs from calls ({@link Assembler}) or from text ({@link assemble}), derived from the same
 * description of each instruction as the interpreter and the translator.
 *
 * @packageDocumentation
 */
export { Assembler, type AssemblerOptions, type Program } from "./asm/assembler.ts";
export { AssemblyError } from "./asm/error.ts";
export type { Expression, Scope } from "./asm/expression.ts";
export type { Operand } from "./asm/operand.ts";
export { assemble } from "./asm/text.ts";

/**
 * RISC-V ACLINT 1.0-rc4: `mtimer`, `mswi`, `sswi`, and the first two in SiFive's CLINT layout.
 *
 * @packageDocumentation
 */
export { Clint, type ClintOptions, clint } from "./clint.ts";
export { Mtimer, type MtimerOptions } from "./mtimer.ts";
export { Mswi, Sswi } from "./software-interrupt.ts";

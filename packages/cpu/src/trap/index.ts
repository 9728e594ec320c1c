export { Exception, Interrupt, InterruptBit } from "./causes.ts";
export { setLine } from "./interrupt-lines.ts";
export type { TrapEnvironment, TrapFunctions } from "./trap-functions.ts";

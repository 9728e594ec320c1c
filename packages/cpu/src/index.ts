/**
 * RV64 processors: one description of the instruction set, an interpreter and a translator derived from it.
 *
 * @packageDocumentation
 */
export { type CounterDescription, PROCESSOR_COUNTERS } from "./counter-descriptions.ts";
export {
  type Hart,
  PrivilegeMode,
  type Processor,
  type ProcessorEnvironment,
  type ProcessorFactory,
} from "./processor.ts";
export { type Riscv64Options, riscv64 } from "./riscv64.ts";
export type { TranslationsOptions } from "./translations.ts";
export { riscv64User } from "./user/riscv64-user.ts";
export type { UserExit, UserHart, UserOptions, UserProcessor } from "./user/user-processor.ts";

import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";

/**
 * How much the engine executes of a WebAssembly function, in bytes of its code, before it optimises that: eight times
 * its own choice. Guests are large and mostly cold, and optimising a function costs what its plain code takes to execute
 * some millions of instructions: a boot would spend a third of its processor time on that.
 */
const TIERING_BUDGET = 100_000_000;

/** Sets the engine up for what the command does. To be called before anything is imported that takes long. */
export function setUpEngine(): void {
  // What is imported from here on, which is most, starts from the engine's bytecode the next time.
  enableCompileCache();
  setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
}

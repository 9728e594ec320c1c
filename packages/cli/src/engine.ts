import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

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
  // Translated code says which branches are unlikely; later engines look at that without being asked.
  if (Number.parseInt(process.versions.v8, 10) < 14) setFlagsFromString("--experimental-wasm-branch-hinting");
}

let collector: ((options: object) => void) | undefined;

/**
 * Collects what is garbage and gives the host the room that the engine keeps for more of it, tens of megabytes after a
 * boot. Takes some tens of milliseconds. The guest's translated code stays.
 */
export function returnMemory(): void {
  if (collector === undefined) {
    // The collection below would throw plain WebAssembly code away, which the guest had to wait for when it goes on.
    setFlagsFromString("--no-flush-liftoff-code");
    setFlagsFromString("--expose-gc");
    // The flag is for contexts to come.
    collector = runInNewContext("gc") as (options: object) => void;
  }
  collector({ type: "major", execution: "sync", flavor: "last-resort" });
}

import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * What is set of the engine, and before which major version of it: later ones do it unasked. WebAssembly may have been
 * compiled before: what that was compiled for must still be so.
 */
interface EngineFlag {
  readonly flag: string;
  readonly before?: number;
}

const flags: readonly EngineFlag[] = [
  // How much is executed of a WebAssembly function, in bytes of its code, before it is optimised: thirty times the
  // engine's own choice. Guests are large and mostly cold, and optimising a function costs what its plain code takes to
  // execute some millions of instructions. A call takes the function's whole size off, so that a large one which is
  // left early each time would be optimised long before it is worth it.
  { flag: "--wasm-tiering-budget=400000000" },
  // A boot calls the translator's own functions some thousand times, and then hardly again: too few for the last
  // compiler, which takes ten times the calls now. The one before it serves as well.
  { flag: "--invocation-count-for-turbofan=30000" },
  // Translated code says which branches are unlikely.
  { flag: "--experimental-wasm-branch-hinting", before: 14 },
];

/**
 * The engine's flags for what the command does, none of which an engine of that version complains about.
 *
 * @param version - As `process.versions.v8` has it.
 */
export function engineFlags(version: string = process.versions.v8): string[] {
  const major = Number.parseInt(version, 10);
  return flags.filter(({ before = Number.POSITIVE_INFINITY }) => major < before).map(({ flag }) => flag);
}

/** Sets the engine up for what the command does. To be called before anything is imported that takes long. */
export function setUpEngine(): void {
  // What is imported from here on, which is most, starts from the engine's bytecode the next time.
  enableCompileCache();
  for (const flag of engineFlags()) setFlagsFromString(flag);
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

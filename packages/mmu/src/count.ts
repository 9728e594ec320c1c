import type { Code, I32 } from "@isomorph/wasm";

/** Adds one to an event counter. `state` pushes the host address of the hart's block. For slow paths. */
export function emitCount(c: Code, state: () => I32, counter: number): void {
  c.i64.store(state(), c.i64.add(c.i64.load(state(), counter), 1), counter);
}

import type { FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import { emitTrapCount } from "../counters.ts";
import { State } from "../state.ts";

/**
 * Defines what an exception does where there is nobody to trap to in the guest: its cause and value are kept for the
 * embedder, PC stays at the instruction, and the reservation ends. The instruction has consumed budget and does not
 * retire (privileged specification 20240411, section 3.3.1).
 */
export function defineLeave(module: ModuleBuilder): FunctionRef<readonly ["i32", "i64", "i64"], undefined> {
  return module.function("leave", ["i32", "i64", "i64"], undefined, (c, [state, cause, tval]) => {
    const interrupt = c.let32(c.i32.const(0));
    emitTrapCount(c, state, cause, interrupt);
    const limit = c.let64(c.i64.sub(c.i64.load(state.get(), State.RETIRED_LIMIT), 1));
    c.i64.store(state.get(), limit.get(), State.RETIRED_LIMIT);
    c.i64.store(state.get(), cause.get(), State.SCAUSE);
    c.i64.store(state.get(), tval.get(), State.STVAL);
    c.i64.store(state.get(), 0, State.RESERVATION);
  });
}

import type { Code, Var } from "@isomorph/wasm";
import { hostFields } from "../core/host-fields.ts";
import { State } from "../state.ts";
import { Unwind } from "./chain.ts";
import { EXIT_OFFSET_BITS } from "./exit-site.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";

/** Loads integer registers, a bit set, and what a region keeps of the hart beside them. */
export function loadRegisters(
  code: Code,
  { state, context, x }: RegionVars,
  { space }: RegionFunctions,
  registers: number,
): void {
  const { i64 } = code;
  if (space.flat === undefined) context.set(i64.load(state.get(), State.DATA_CONTEXT));
  for (let register = 1; register < 32; register++) {
    if (((registers >>> register) & 1) === 0) continue;
    (x[register] as Var<"i64">).set(i64.load(state.get(), State.X + 8 * register));
  }
}

/** Stores integer registers, a bit set. */
export function storeRegisters(code: Code, { state, x }: RegionVars, registers: number): void {
  for (let register = 1; register < 32; register++) {
    if (((registers >>> register) & 1) === 0) continue;
    code.i64.store(state.get(), (x[register] as Var<"i64">).get(), State.X + 8 * register);
  }
}

/** What the exit of a region to the interpreter has to know of it. */
export interface InterpreterExit {
  /** Host addresses of the region's page, and of its entry. */
  readonly page: number;
  readonly entry: number;
  /** Integer registers that may have to be stored. */
  readonly dirty: number;
}

/** The interpreter takes over at an instruction that was paid for. */
export function leaveToInterpreter(
  code: Code,
  vars: RegionVars,
  functions: RegionFunctions,
  { page, entry, dirty }: InterpreterExit,
): void {
  const { i32, i64 } = code;
  const { host } = functions.space;
  const { state, delta, remaining, exitSite, exitDirty, x } = vars;
  for (let register = 1; register < 32; register++) {
    if (((dirty >>> register) & 1) === 0) continue;
    code.if(i32.and(exitDirty.get(), 1 << register), () =>
      i64.store(state.get(), (x[register] as Var<"i64">).get(), State.X + 8 * register),
    );
  }
  vars.float.storeAtExit();
  const offset = i64.extendI32U(i32.and(exitSite.get(), (1 << EXIT_OFFSET_BITS) - 1));
  const pc = code.let64(i64.add(i64.add(offset, page), delta.get()));
  i64.store(state.get(), pc.get(), State.PC);
  i32.store(state.get(), 0, State.FAULT);
  // Only what the instruction did, not the end of the budget, says something about the region.
  const notExecuted = code.let32(i32.shrU(exitSite.get(), EXIT_OFFSET_BITS));
  const ops = host.ops(code);
  const blamed = host.let(code, code.select(ops.const(entry), ops.const(0), notExecuted.get()));
  ops.store(state.get(), blamed.get(), hostFields(host).BAILED_REGION);
  const from = [
    state.get(),
    i32.add(remaining.get(), notExecuted.get()),
    vars.returnTo.get(),
    vars.depth.get(),
  ] as const;
  functions.bail(code, from);
}

/** The interpreter takes over at PC, before anything was done. */
export function leaveAtEntry(
  code: Code,
  { state, pc, remaining }: RegionVars,
  { space: { host } }: RegionFunctions,
): void {
  const { i32, i64 } = code;
  i64.store(state.get(), pc.get(), State.PC);
  i32.store(state.get(), 0, State.FAULT);
  host.ops(code).store(state.get(), 0, hostFields(host).BAILED_REGION);
  code.return(i32.or(remaining.get(), Unwind.INTERPRET));
}

import type { Code, FunctionRef, I32, ModuleBuilder, Var } from "@isomorph/wasm";
import { loadSized, storeSized } from "./accesses.ts";
import { NARROW_ADDRESSES } from "./host-addresses.ts";
import type { MmuFunctions } from "./mmu.ts";
import { Access, MmuState } from "./state.ts";

/** Where a flat address space lies: guest address `base + i` is host address `ramOffset + i`, for `i` below `size`. */
export interface FlatLayout {
  /** Guest address of the first byte, a multiple of 4096. */
  readonly base: number;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  /** Host address of the first byte. */
  readonly ramOffset: number;
}

/** Exception codes of access faults (privileged specification 20240411, section 3.1.15). */
const INSTRUCTION_ACCESS_FAULT = 1;
const LOAD_ACCESS_FAULT = 5;
const STORE_ACCESS_FAULT = 7;

/**
 * Defines the memory functions of a hart in user mode with nothing between its addresses and memory: no page tables, no
 * PMP, no devices. Outside the address space every access faults; inside, accesses of any alignment are done. Nothing
 * hears of stores. What there is to do for a change of translation is nothing.
 */
export function defineFlatMemory(module: ModuleBuilder, layout: FlatLayout): MmuFunctions {
  const { base, size, ramOffset } = layout;
  /** (state, va, bytes, cause): the host address of a range, 0 after a fault with that cause. */
  const resolve = module.function(
    "flatResolve",
    ["i32", "i64", "i32", "i32"],
    "i32",
    (c, [state, va, bytes, cause]) => {
      c.i32.store(state.get(), 0, MmuState.FAULT);
      const at = c.let64(c.i64.sub(va.get(), base));
      const room = c.let64(c.i64.sub(c.i64.const(size), c.i64.extendI32U(bytes.get())));
      c.if(c.i64.gtU(at.get(), room.get()), () => {
        const fault = c.let32(c.i32.add(cause.get(), 1));
        c.i32.store(state.get(), fault.get(), MmuState.FAULT);
        c.i64.store(state.get(), va.get(), MmuState.FAULT_ADDRESS);
        c.return(c.i32.const(0));
      });
      return c.i32.add(c.i32.wrapI64(at.get()), ramOffset | 0);
    },
  );
  const bytesOf = (c: Code, sizeLog2: Var<"i32">): I32 => c.i32.shl(c.i32.const(1), sizeLog2.get());
  const nothing = (name: string): FunctionRef<readonly ["i32"], undefined> =>
    module.function(name, ["i32"], undefined, () => {});
  const nothing64 = (name: string): FunctionRef<readonly ["i32", "i64"], undefined> =>
    module.function(name, ["i32", "i64"], undefined, () => {});
  return {
    fetch: module.function("fetch", ["i32", "i64"], "i32", (c, [state, va]) => {
      const host = c.let32(
        c.call(resolve, state.get(), va.get(), c.i32.const(2), c.i32.const(INSTRUCTION_ACCESS_FAULT)),
      );
      c.i32.store(state.get(), 2, MmuState.FETCH_RUN);
      return host.get();
    }),
    load: module.function("load", ["i32", "i64", "i32"], "i64", (c, [state, va, sizeLog2]) => {
      const bytes = c.let32(bytesOf(c, sizeLog2));
      const host = c.let32(
        c.call(resolve, state.get(), va.get(), bytes.get(), c.i32.const(LOAD_ACCESS_FAULT)),
      );
      c.if(c.i32.eqz(host.get()), () => c.return(c.i64.const(0)));
      for (let log2 = 0; log2 < 3; log2++) {
        c.if(c.i32.eq(sizeLog2.get(), log2), () =>
          c.return(loadSized(NARROW_ADDRESSES.ram(c), host.get(), log2)),
        );
      }
      return loadSized(NARROW_ADDRESSES.ram(c), host.get(), 3);
    }),
    store: module.function(
      "store",
      ["i32", "i64", "i64", "i32"],
      undefined,
      (c, [state, va, value, sizeLog2]) => {
        const bytes = c.let32(bytesOf(c, sizeLog2));
        const host = c.let32(
          c.call(resolve, state.get(), va.get(), bytes.get(), c.i32.const(STORE_ACCESS_FAULT)),
        );
        c.if(c.i32.eqz(host.get()), () => c.return());
        for (let log2 = 0; log2 < 4; log2++) {
          c.if(c.i32.eq(sizeLog2.get(), log2), () =>
            storeSized(NARROW_ADDRESSES.ram(c), host.get(), value.get(), log2),
          );
        }
      },
    ),
    host: module.function("host", ["i32", "i64", "i32", "i32"], "i32", (c, [state, va, sizeLog2, access]) => {
      c.i32.store(state.get(), 0, MmuState.FAULT);
      const bytes = c.let32(bytesOf(c, sizeLog2));
      c.if(c.i32.and(c.i32.wrapI64(va.get()), c.i32.sub(bytes.get(), 1)), () => c.return(c.i32.const(0)));
      const isStore = c.i32.eq(access.get(), Access.WRITE);
      const cause = c.let32(c.i32.add(c.i32.shl(isStore, 1), LOAD_ACCESS_FAULT));
      return c.call(resolve, state.get(), va.get(), bytes.get(), cause.get());
    }),
    flushAll: nothing("flushAll"),
    flushAsid: nothing64("flushAsid"),
    flushAddress: nothing64("flushAddress"),
    contextsChanged: nothing("contextsChanged"),
    satpChanged: nothing64("satpChanged"),
    pmpChanged: nothing("pmpChanged"),
    protectCode: nothing("protectCode"),
    stripCodePages: nothing("stripCodePages"),
  };
}

import type { Code, FunctionRef, I32, I64, ModuleBuilder, Var } from "@isomorph/wasm";
import {
  CONTEXT_BARE,
  CONTEXT_MACHINE,
  FIRST_CONTEXT,
  LAST_CONTEXT,
  Private,
  SLOT_COUNT,
  Slot,
} from "./private-state.ts";
import { FETCH_TLB_SIZE, FETCH_TLB_START, MmuState, TLB_ENTRIES, Tlb } from "./state.ts";

/**
 * Which TLB context stands for what the hart is doing.
 *
 * M-mode and untranslated accesses have fixed contexts. U-mode has one for each ASID, S-mode with SUM too. S-mode
 * without SUM has a single one for all ASIDs, renewed on a change of ASID if a non-global page was entered under
 * it: a kernel that maps itself with global pages keeps its entries. Loads under MXR have one that lives until
 * anything else about it changes. Numbers are given out once; a flush gives new ones, and when there are no more,
 * the TLB is cleared.
 */
export interface ContextFunctions {
  /** Recomputes DATA_CONTEXT and FETCH_CONTEXT. */
  readonly changed: FunctionRef<readonly ["i32"], undefined>;
  /** Clears the TLB and forgets all contexts; `changed` must follow. */
  readonly reset: FunctionRef<readonly ["i32"], undefined>;
  /** Forgets all translated contexts; `changed` must follow. */
  readonly forgetAll: FunctionRef<readonly ["i32"], undefined>;
  /** (state, asid): forgets the contexts of an ASID; `changed` must follow. */
  readonly forgetAsid: FunctionRef<readonly ["i32", "i64"], undefined>;
  /** Finds the slot of the ASID in SATP, taking one over if need be; `changed` must follow. */
  readonly selectSlot: FunctionRef<readonly ["i32"], undefined>;
}

const MPP_SHIFT = 11;
const MPRV = 1 << 17;
const SUM = 1 << 18;
const MXR = 1 << 19;
const MACHINE = 3;
/** Most contexts that one recomputation takes. */
const CONTEXTS_AT_ONCE = 2;

export function defineContexts(module: ModuleBuilder): ContextFunctions {
  const selectSlot = defineSelectSlot(module);
  const forgetAll = defineForgetAll(module, selectSlot);
  const reset = defineReset(module, forgetAll);
  const forgetAsid = defineForgetAsid(module);
  return { changed: defineChanged(module, reset), reset, forgetAll, forgetAsid, selectSlot };
}

/** The privilege mode of loads and stores: MPP's under MPRV, else the current one. */
export function dataMode(c: Code, state: Var<"i32">): I32 {
  return c.choose(
    "i32",
    c.i32.and(c.i32.load(state.get(), MmuState.MSTATUS), MPRV),
    () => c.i32.and(c.i32.shrU(c.i32.load(state.get(), MmuState.MSTATUS), MPP_SHIFT), 3),
    () => c.i32.load(state.get(), MmuState.MODE),
  );
}

/** MODE in SATP: 0 means no translation. */
export function satpMode(c: Code, state: Var<"i32">): I32 {
  return c.i32.shrU(c.i32.load(state.get(), MmuState.SATP + 4), 28);
}

/** `mstatus.SUM` or `mstatus.MXR`, not 0 when set. */
export function sumBit(c: Code, state: Var<"i32">): I32 {
  return c.i32.and(c.i32.load(state.get(), MmuState.MSTATUS), SUM);
}
export function mxrBit(c: Code, state: Var<"i32">): I32 {
  return c.i32.and(c.i32.load(state.get(), MmuState.MSTATUS), MXR);
}

function currentAsid(c: Code, state: Var<"i32">): I32 {
  return c.i32.and(c.i32.shrU(c.i32.load(state.get(), MmuState.SATP + 4), 12), 0xffff);
}

/** The host address that, with {@link Private.SLOTS} added, is the slot of an ASID. */
function slotOf(c: Code, state: Var<"i32">, asid: Var<"i32">): I32 {
  return c.i32.add(state.get(), c.i32.shl(c.i32.and(asid.get(), SLOT_COUNT - 1), Math.log2(Slot.SIZE)));
}

function defineSelectSlot(module: ModuleBuilder): ContextFunctions["selectSlot"] {
  return module.function("selectSlot", ["i32"], undefined, (c, [state]) => {
    const asid = c.let32(currentAsid(c, state));
    const slot = c.let32(slotOf(c, state, asid));
    asid.set(c.i32.add(asid.get(), 1));
    c.if(c.i32.ne(c.i32.load(slot.get(), Private.SLOTS + Slot.ASID), asid.get()), () => {
      c.i32.store(slot.get(), asid.get(), Private.SLOTS + Slot.ASID);
      c.i32.store(slot.get(), 0, Private.SLOTS + Slot.USER);
    });
    c.i32.store(state.get(), c.i32.add(c.i32.sub(slot.get(), state.get()), Private.SLOTS), Private.SLOT);
  });
}

function defineForgetAll(
  module: ModuleBuilder,
  selectSlot: ContextFunctions["selectSlot"],
): ContextFunctions["forgetAll"] {
  return module.function("forgetAll", ["i32"], undefined, (c, [state]) => {
    const slots = SLOT_COUNT * Slot.SIZE;
    c.memoryFill(c.i32.add(state.get(), Private.SLOTS), c.i32.const(0), c.i32.const(slots));
    c.memoryFill(c.i32.add(state.get(), Private.SUPERPAGES), c.i32.const(0), c.i32.const(64));
    c.i64.store(state.get(), 0, Private.SUPERVISOR);
    c.i32.store(state.get(), 0, Private.SUPERVISOR_HOLDS_LOCAL);
    c.i64.store(state.get(), 0, Private.MXR);
    c.call(selectSlot, state.get());
  });
}

function defineReset(
  module: ModuleBuilder,
  forgetAll: ContextFunctions["forgetAll"],
): ContextFunctions["reset"] {
  return module.function("resetContexts", ["i32"], undefined, (c, [state]) => {
    const bytes = TLB_ENTRIES * Tlb.ENTRY_SIZE;
    c.memoryFill(c.i32.add(state.get(), Tlb.START), c.i32.const(0), c.i32.const(bytes));
    c.memoryFill(c.i32.add(state.get(), FETCH_TLB_START), c.i32.const(0), c.i32.const(FETCH_TLB_SIZE));
    c.i32.store(state.get(), FIRST_CONTEXT, Private.NEXT_CONTEXT);
    c.call(forgetAll, state.get());
  });
}

function defineForgetAsid(module: ModuleBuilder): ContextFunctions["forgetAsid"] {
  return module.function("forgetAsid", ["i32", "i64"], undefined, (c, [state, wide]) => {
    const asid = c.let32(c.i32.and(c.i32.wrapI64(wide.get()), 0xffff));
    const slot = c.let32(slotOf(c, state, asid));
    c.if(c.i32.eq(c.i32.load(slot.get(), Private.SLOTS + Slot.ASID), c.i32.add(asid.get(), 1)), () => {
      c.i32.store(slot.get(), 0, Private.SLOTS + Slot.USER);
    });
    c.if(c.i32.eq(currentAsid(c, state), asid.get()), () => forgetLocal(c, state));
  });
}

/** Forgets what is not kept for each ASID, but holds entries of the current one. */
export function forgetLocal(c: Code, state: Var<"i32">): void {
  c.i64.store(state.get(), 0, Private.MXR);
  c.if(c.i32.load(state.get(), Private.SUPERVISOR_HOLDS_LOCAL), () => {
    c.i64.store(state.get(), 0, Private.SUPERVISOR);
    c.i32.store(state.get(), 0, Private.SUPERVISOR_HOLDS_LOCAL);
  });
}

function defineChanged(module: ModuleBuilder, reset: ContextFunctions["reset"]): ContextFunctions["changed"] {
  const allocate = module.function("allocateContext", ["i32"], "i64", (c, [state]) => {
    const number = c.let32(c.i32.load(state.get(), Private.NEXT_CONTEXT));
    c.i32.store(state.get(), c.i32.add(number.get(), 1), Private.NEXT_CONTEXT);
    return c.i64.extendI32U(c.i32.shl(number.get(), 3));
  });

  /** Reads a context of the current slot, giving it a number if it has none. */
  const slotContext = (c: Code, state: Var<"i32">, field: number): I64 => {
    const context = c.var("i64");
    const slot = c.let32(c.i32.add(state.get(), c.i32.load(state.get(), Private.SLOT)));
    context.set(c.i64.load16U(slot.get(), field));
    c.if(c.i64.eqz(context.get()), () => {
      context.set(c.call(allocate, state.get()));
      c.i64.store16(slot.get(), context.get(), field);
    });
    return context.get();
  };

  const contextOf = module.function("contextOf", ["i32", "i32", "i32"], "i64", (c, [state, mode, sum]) => {
    c.if(c.i32.eq(mode.get(), MACHINE), () => c.return(c.i64.const(CONTEXT_MACHINE)));
    c.if(c.i32.eqz(satpMode(c, state)), () => c.return(c.i64.const(CONTEXT_BARE)));
    c.if(c.i32.eqz(mode.get()), () => c.return(slotContext(c, state, Slot.USER)));
    c.if(sum.get(), () => c.return(slotContext(c, state, Slot.SUPERVISOR_SUM)));
    const context = c.let64(c.i64.load(state.get(), Private.SUPERVISOR));
    c.if(c.i64.eqz(context.get()), () => {
      context.set(c.call(allocate, state.get()));
      c.i64.store(state.get(), context.get(), Private.SUPERVISOR);
    });
    return context.get();
  });

  const mxrContext = module.function("mxrContext", ["i32", "i32"], "i64", (c, [state, mode]) => {
    c.if(c.i32.or(c.i32.eq(mode.get(), MACHINE), c.i32.eqz(satpMode(c, state))), () => {
      c.return(c.call(contextOf, state.get(), mode.get(), c.i32.const(0)));
    });
    const key = c.let64(c.i64.extendI32U(c.i32.or(sumBit(c, state), mode.get())));
    const context = c.let64(c.i64.load(state.get(), Private.MXR));
    c.if(
      c.i32.or(c.i64.eqz(context.get()), c.i64.ne(c.i64.load(state.get(), Private.MXR_KEY), key.get())),
      () => {
        context.set(c.call(allocate, state.get()));
        c.i64.store(state.get(), context.get(), Private.MXR);
        c.i64.store(state.get(), key.get(), Private.MXR_KEY);
      },
    );
    return context.get();
  });

  return module.function("contextsChanged", ["i32"], undefined, (c, [state]) => {
    c.if(
      c.i32.gtU(c.i32.load(state.get(), Private.NEXT_CONTEXT), LAST_CONTEXT + 1 - CONTEXTS_AT_ONCE),
      () => {
        c.call(reset, state.get());
      },
    );
    const mode = c.let32(c.i32.load(state.get(), MmuState.MODE));
    const context = c.let64(c.call(contextOf, state.get(), mode.get(), c.i32.const(0)));
    c.i64.store(state.get(), context.get(), MmuState.FETCH_CONTEXT);
    c.if(c.i32.and(c.i32.load(state.get(), MmuState.MSTATUS), MPRV | SUM | MXR), () => {
      mode.set(dataMode(c, state));
      context.set(
        c.choose(
          "i64",
          mxrBit(c, state),
          () => c.call(mxrContext, state.get(), mode.get()),
          () => c.call(contextOf, state.get(), mode.get(), sumBit(c, state)),
        ),
      );
    });
    c.i64.store(state.get(), context.get(), MmuState.DATA_CONTEXT);
  });
}

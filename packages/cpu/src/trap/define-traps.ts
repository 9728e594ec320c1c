import type { Code, I64, ModuleBuilder, Var } from "@isomorph/wasm";
import { emitTrapCount } from "../counters.ts";
import type { CsrIsa } from "../csr/description.ts";
import { Menvcfg, Mstatus } from "../csr/table.ts";
import { State } from "../state.ts";
import { INTERRUPT_PRIORITY, InterruptBit } from "./causes.ts";
import type { TrapEnvironment, TrapFunctions } from "./trap-functions.ts";

const INTERRUPT = 1n << 63n;

/** Sets ATTENTION when an interrupt is pending and enabled in `mie`, whatever the mode. */
export function emitInterruptNotice(c: Code, state: Var<"i32">): void {
  const at = state.get();
  const attention = c.i32.load(state.get(), State.ATTENTION);
  const pending = c.i64.and(c.i64.load(state.get(), State.MIP), c.i64.load(state.get(), State.MIE));
  c.i32.store(at, c.i32.or(attention, c.i64.ne(pending, 0)), State.ATTENTION);
}

/** Pushes the one-bit field of `from` at bit `source`, moved to bit `target`. */
function emitBit(c: Code, from: Var<"i64">, source: number, target: number): I64 {
  const only = c.i64.and(from.get(), 1n << BigInt(source));
  return source < target ? c.i64.shl(only, target - source) : c.i64.shrU(only, source - target);
}

/** Defines the functions that take traps and return from them. */
export function defineTraps(module: ModuleBuilder, environment: TrapEnvironment, isa: CsrIsa): TrapFunctions {
  return {
    takeTrap: defineTakeTrap(module, environment),
    pendingInterrupt: definePendingInterrupt(module),
    mret: defineMret(module, environment),
    sret: defineSret(module, environment),
    updateTimer: defineUpdateTimer(module, environment, isa),
  };
}

function defineTakeTrap(module: ModuleBuilder, { mmu }: TrapEnvironment): TrapFunctions["takeTrap"] {
  return module.function("takeTrap", ["i32", "i64", "i64"], undefined, (c, [state, cause, tval]) => {
    const code = c.let64(c.i64.and(cause.get(), 63));
    const interrupt = c.let32(c.i64.ltS(cause.get(), 0));
    emitTrapCount(c, state, code, interrupt);

    const limit = c.let64(
      c.i64.sub(c.i64.load(state.get(), State.RETIRED_LIMIT), c.i64.extendI32U(c.i32.eqz(interrupt.get()))),
    );
    c.i64.store(state.get(), limit.get(), State.RETIRED_LIMIT);
    const retired = c.let64(c.i64.sub(limit.get(), c.i64.load32U(state.get(), State.REMAINING)));
    // Traps so far if nothing retired in between, else none; then this one.
    const traps = state.get();
    const same = c.i64.eq(retired.get(), c.i64.load(state.get(), State.LAST_TRAP_INSTRET));
    const row = c.i32.mul(same, c.i32.load(state.get(), State.TRAPS_IN_A_ROW));
    c.i32.store(traps, c.i32.add(row, 1), State.TRAPS_IN_A_ROW);
    c.i64.store(state.get(), retired.get(), State.LAST_TRAP_INSTRET);

    const status = c.let64(c.i64.load(state.get(), State.MSTATUS));
    const mode = c.let32(c.i32.load(state.get(), State.MODE));
    const delegated = c.let64(
      c.select(
        c.i64.load(state.get(), State.MIDELEG),
        c.i64.load(state.get(), State.MEDELEG),
        interrupt.get(),
      ),
    );
    const vector = c.var("i64");
    const toSupervisor = c.i32.and(
      c.i32.leU(mode.get(), 1),
      c.i32.wrapI64(c.i64.and(c.i64.shrU(delegated.get(), code.get()), 1)),
    );
    c.if(
      toSupervisor,
      () => {
        c.i64.store(state.get(), c.i64.load(state.get(), State.PC), State.SEPC);
        c.i64.store(state.get(), cause.get(), State.SCAUSE);
        c.i64.store(state.get(), tval.get(), State.STVAL);
        vector.set(c.i64.load(state.get(), State.STVEC));
        const kept = c.i64.and(status.get(), ~(Mstatus.SIE | Mstatus.SPIE | Mstatus.SPP));
        const stacked = c.i64.or(kept, emitBit(c, status, 1, 5));
        status.set(c.i64.or(stacked, c.i64.shl(c.i64.extendI32U(mode.get()), 8)));
        c.i32.store(state.get(), 1, State.MODE);
      },
      () => {
        c.i64.store(state.get(), c.i64.load(state.get(), State.PC), State.MEPC);
        c.i64.store(state.get(), cause.get(), State.MCAUSE);
        c.i64.store(state.get(), tval.get(), State.MTVAL);
        vector.set(c.i64.load(state.get(), State.MTVEC));
        const kept = c.i64.and(status.get(), ~(Mstatus.MIE | Mstatus.MPIE | Mstatus.MPP));
        const stacked = c.i64.or(kept, emitBit(c, status, 3, 7));
        status.set(c.i64.or(stacked, c.i64.shl(c.i64.extendI32U(mode.get()), 11)));
        c.i32.store(state.get(), 3, State.MODE);
      },
    );
    c.i64.store(state.get(), status.get(), State.MSTATUS);

    const at = state.get();
    const base = c.i64.and(vector.get(), -4);
    const vectored = c.i32.and(c.i32.wrapI64(vector.get()), interrupt.get());
    const offset = c.i64.mul(c.i64.extendI32U(vectored), c.i64.shl(code.get(), 2));
    c.i64.store(at, c.i64.add(base, offset), State.PC);
    c.i32.store(state.get(), 0, State.RESERVATION);
    c.call(mmu.contextsChanged, state.get());
  });
}

function definePendingInterrupt(module: ModuleBuilder): TrapFunctions["pendingInterrupt"] {
  return module.function("pendingInterrupt", ["i32"], "i64", (c, [state]) => {
    const pending = c.let64(
      c.i64.and(c.i64.load(state.get(), State.MIP), c.i64.load(state.get(), State.MIE)),
    );
    c.if(c.i64.eqz(pending.get()), () => c.return(c.i64.const(0)));
    const mode = c.let32(c.i32.load(state.get(), State.MODE));
    const status = c.let64(c.i64.load(state.get(), State.MSTATUS));
    const delegated = c.let64(c.i64.load(state.get(), State.MIDELEG));

    // Interrupts for M-mode, when they are enabled; then those for S-mode, when nothing came of that.
    const chosen = c.var("i64");
    chosen.set(c.i64.and(pending.get(), c.i64.xor(delegated.get(), -1)));
    const masked = c.i32.and(c.i32.eq(mode.get(), 3), c.i64.eqz(c.i64.and(status.get(), Mstatus.MIE)));
    c.if(masked, () => chosen.set(c.i64.const(0)));
    c.if(c.i64.eqz(chosen.get()), () => {
      const enabled = c.i32.or(
        c.i32.eqz(mode.get()),
        c.i32.and(c.i32.eq(mode.get(), 1), c.i64.ne(c.i64.and(status.get(), Mstatus.SIE), 0)),
      );
      c.if(enabled, () => chosen.set(c.i64.and(pending.get(), delegated.get())));
    });
    for (const code of INTERRUPT_PRIORITY) {
      c.if(c.i64.ne(c.i64.and(chosen.get(), 1n << BigInt(code)), 0), () =>
        c.return(c.i64.const(INTERRUPT | BigInt(code))),
      );
    }
    return c.i64.const(0);
  });
}

/** Ends a return from a trap: the mode and the address are there. */
function emitReturned(c: Code, state: Var<"i32">, { mmu }: TrapEnvironment): void {
  c.i32.store(state.get(), 0, State.RESERVATION);
  c.call(mmu.contextsChanged, state.get());
  emitInterruptNotice(c, state);
}

function defineMret(module: ModuleBuilder, environment: TrapEnvironment): TrapFunctions["mret"] {
  return module.function("mret", ["i32"], undefined, (c, [state]) => {
    const status = c.let64(c.i64.load(state.get(), State.MSTATUS));
    const mode = c.let32(c.i32.wrapI64(c.i64.and(c.i64.shrU(status.get(), 11), 3)));
    c.i32.store(state.get(), mode.get(), State.MODE);
    const kept = c.i64.and(status.get(), ~(Mstatus.MIE | Mstatus.MPIE | Mstatus.MPP));
    status.set(c.i64.or(c.i64.or(kept, emitBit(c, status, 7, 3)), Mstatus.MPIE));
    c.if(c.i32.ne(mode.get(), 3), () => status.set(c.i64.and(status.get(), ~Mstatus.MPRV)));
    c.i64.store(state.get(), status.get(), State.MSTATUS);
    c.i64.store(state.get(), c.i64.load(state.get(), State.MEPC), State.PC);
    emitReturned(c, state, environment);
  });
}

function defineSret(module: ModuleBuilder, environment: TrapEnvironment): TrapFunctions["sret"] {
  return module.function("sret", ["i32"], undefined, (c, [state]) => {
    const status = c.let64(c.i64.load(state.get(), State.MSTATUS));
    c.i32.store(state.get(), c.i32.wrapI64(emitBit(c, status, 8, 0)), State.MODE);
    const kept = c.i64.and(status.get(), ~(Mstatus.SIE | Mstatus.SPIE | Mstatus.SPP | Mstatus.MPRV));
    status.set(c.i64.or(c.i64.or(kept, emitBit(c, status, 5, 1)), Mstatus.SPIE));
    c.i64.store(state.get(), status.get(), State.MSTATUS);
    c.i64.store(state.get(), c.i64.load(state.get(), State.SEPC), State.PC);
    emitReturned(c, state, environment);
  });
}

function defineUpdateTimer(
  module: ModuleBuilder,
  { imports }: TrapEnvironment,
  isa: CsrIsa,
): TrapFunctions["updateTimer"] {
  return module.function("updateTimer", ["i32"], undefined, (c, [state]) => {
    if (!isa.sstc) return;
    c.if(c.i64.ne(c.i64.and(c.i64.load(state.get(), State.MENVCFG), Menvcfg.STCE), 0), () => {
      const at = state.get();
      const others = c.i64.and(c.i64.load(state.get(), State.MIP), ~InterruptBit.STIP);
      const now = c.i64.truncSatF64U(c.call(imports.time));
      const due = c.i64.extendI32U(c.i64.geU(now, c.i64.load(state.get(), State.STIMECMP)));
      c.i64.store(at, c.i64.or(others, c.i64.shl(due, 5)), State.MIP);
      emitInterruptNotice(c, state);
    });
  });
}

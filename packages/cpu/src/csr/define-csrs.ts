import type { Code, FunctionRef, I32, ModuleBuilder, Var } from "@isomorph/wasm";
import { State } from "../state.ts";
import { defineTraps } from "../trap/define-traps.ts";
import type { TrapEnvironment, TrapFunctions } from "../trap/trap-functions.ts";
import type { CsrGuard, CsrIsa } from "./description.ts";
import { emitDispatch } from "./dispatch.ts";
import { CsrRuleEmitter } from "./rules.ts";
import { CSRS, Menvcfg, Mstatus } from "./table.ts";

/** What {@link defineCsrs} builds on. */
export interface CsrOptions extends TrapEnvironment {
  readonly isa: CsrIsa;
}

/** Functions of the processor's module. The first parameter is the host address of the hart's block. */
export interface CsrFunctions extends TrapFunctions {
  /** `(state, address, write)`: 1 when the current mode may access the CSR, `write` being 0 or 1; else 0. */
  readonly csrLegal: FunctionRef<readonly ["i32", "i32", "i32"], "i32">;
  /**
   * `(state, address)`: the CSR's value as an instruction reads it; 0 where there is no CSR. Does not check access.
   *
   * REMAINING was decremented for the reading instruction: instruction number k (from 0) reads k from `instret`.
   */
  readonly csrRead: FunctionRef<readonly ["i32", "i32"], "i64">;
  /** `(state, address)`: the value between two instructions, for debuggers: instructions retired so far. */
  readonly csrInspect: FunctionRef<readonly ["i32", "i32"], "i64">;
  /**
   * `(state, address, value)`: writes by the CSR's WARL rules, with all that follows from it. Does not check access;
   * writes where there is no CSR or a read-only one are ignored. The next instruction reads the written value from a
   * counter.
   */
  readonly csrWrite: FunctionRef<readonly ["i32", "i32", "i64"], undefined>;
  /**
   * `(state, address, bits)`: what CSRRS writes. Not the same as writing `csrRead | bits`: for SEIP it takes
   * software's bit, not the line (section 3.1.9).
   */
  readonly csrSet: FunctionRef<readonly ["i32", "i32", "i64"], undefined>;
  /** `(state, address, bits)`: what CSRRC writes. */
  readonly csrClear: FunctionRef<readonly ["i32", "i32", "i64"], undefined>;
}

/** Defines the functions that access CSRs, take traps and return from them. */
export function defineCsrs(module: ModuleBuilder, options: CsrOptions): CsrFunctions {
  const { isa } = options;
  const csrs = CSRS.filter(({ needs }) => needs === undefined || isa[needs]);
  const written = csrs.filter(({ address }) => address >> 10 !== 3);
  const traps = defineTraps(module, options, isa);
  const rules = new CsrRuleEmitter(module, { ...options, updateTimer: traps.updateTimer });

  const csrLegal = module.function("csrLegal", ["i32", "i32", "i32"], "i32", (c, [state, address, write]) => {
    const mode = c.let32(c.i32.load(state.get(), State.MODE));
    const needed = c.i32.and(c.i32.shrU(address.get(), 8), 3);
    c.if(c.i32.gtU(needed, mode.get()), () => c.return(c.i32.const(0)));
    const readOnly = c.i32.eq(c.i32.shrU(address.get(), 10), 3);
    c.if(c.i32.and(readOnly, write.get()), () => c.return(c.i32.const(0)));
    emitDispatch(c, address, csrs, ({ guard }) =>
      c.return(guard === undefined ? c.i32.const(1) : emitGuard(c, guard, state, address, mode)),
    );
    return c.i32.const(0);
  });

  const csrRead = module.function("csrRead", ["i32", "i32"], "i64", (c, [state, address]) => {
    emitDispatch(c, address, csrs, ({ rule }) => c.return(rules.read(c, rule, state, address)));
    return c.i64.const(0);
  });

  const csrInspect = module.function("csrInspect", ["i32", "i32"], "i64", (c, [state, address]) => {
    const remaining = c.let32(c.i32.load(state.get(), State.REMAINING));
    c.i32.store(state.get(), c.i32.sub(remaining.get(), 1), State.REMAINING);
    const value = c.let64(c.call(csrRead, state.get(), address.get()));
    c.i32.store(state.get(), remaining.get(), State.REMAINING);
    return value.get();
  });

  const csrWrite = module.function(
    "csrWrite",
    ["i32", "i32", "i64"],
    undefined,
    (c, [state, address, value]) => {
      emitDispatch(c, address, written, ({ rule }) => {
        rules.write(c, rule, state, address, value);
        c.return();
      });
    },
  );

  const csrForUpdate = module.function("csrForUpdate", ["i32", "i32"], "i64", (c, [state, address]) => {
    emitDispatch(c, address, written, ({ rule }) => c.return(rules.readForUpdate(c, rule, state, address)));
    return c.i64.const(0);
  });
  const csrSet = module.function("csrSet", ["i32", "i32", "i64"], undefined, (c, [state, address, bits]) => {
    bits.set(c.i64.or(c.call(csrForUpdate, state.get(), address.get()), bits.get()));
    c.call(csrWrite, state.get(), address.get(), bits.get());
  });
  const csrClear = module.function(
    "csrClear",
    ["i32", "i32", "i64"],
    undefined,
    (c, [state, address, bits]) => {
      const kept = c.call(csrForUpdate, state.get(), address.get());
      bits.set(c.i64.and(kept, c.i64.xor(bits.get(), -1)));
      c.call(csrWrite, state.get(), address.get(), bits.get());
    },
  );

  return { ...traps, csrLegal, csrRead, csrInspect, csrWrite, csrSet, csrClear };
}

/** Pushes whether a guard lets the access through. */
function emitGuard(c: Code, guard: CsrGuard, state: Var<"i32">, address: Var<"i32">, mode: Var<"i32">): I32 {
  const counterBit = (offset: number): I32 =>
    c.i32.and(c.i32.shrU(c.i32.load(state.get(), offset), c.i32.and(address.get(), 31)), 1);
  switch (guard) {
    case "counter-enable": {
      const machine = c.i32.eq(mode.get(), 3);
      const supervisor = c.i32.or(counterBit(State.SCOUNTEREN), c.i32.eq(mode.get(), 1));
      return c.i32.or(machine, c.i32.and(supervisor, counterBit(State.MCOUNTEREN)));
    }
    case "float-on":
      return c.i64.ne(c.i64.and(c.i64.load(state.get(), State.MSTATUS), Mstatus.FS), 0);
    case "translation-trap": {
      const allowed = c.i64.eqz(c.i64.and(c.i64.load(state.get(), State.MSTATUS), Mstatus.TVM));
      return c.i32.or(allowed, c.i32.eq(mode.get(), 3));
    }
    case "timer-enable": {
      const machine = c.i32.eq(mode.get(), 3);
      const enabled = c.i64.ne(c.i64.and(c.i64.load(state.get(), State.MENVCFG), Menvcfg.STCE), 0);
      const counter = c.i32.and(c.i32.shrU(c.i32.load(state.get(), State.MCOUNTEREN), 1), 1);
      return c.i32.or(machine, c.i32.and(enabled, counter));
    }
  }
}

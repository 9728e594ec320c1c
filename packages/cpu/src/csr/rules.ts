import type { Code, FunctionRef, I32, I64, ModuleBuilder, Var } from "@isomorph/wasm";
import { State } from "../state.ts";
import { InterruptBit } from "../trap/causes.ts";
import { emitInterruptNotice } from "../trap/define-traps.ts";
import type { TrapEnvironment } from "../trap/trap-functions.ts";
import {
  type CsrEffect,
  type CsrIsa,
  type CsrRule,
  fieldMask,
  fixedValue,
  presentFields,
  writableMask,
} from "./description.ts";
import { definePmpWrites, type PmpWrites } from "./pmp.ts";
import { CSRS, INHIBIT_WRITABLE, INHIBITABLE, Menvcfg, Mstatus } from "./table.ts";

type RuleOf<K extends CsrRule["kind"]> = Extract<CsrRule, { kind: K }>;

/** The fields of `mstatus` that a TLB context depends on. */
const MEMORY_PRIVILEGE: bigint = Mstatus.MPP | Mstatus.MPRV | Mstatus.SUM | Mstatus.MXR;

/** What rules with effects call. */
export interface CsrRuleEnvironment extends TrapEnvironment {
  readonly isa: CsrIsa;
  readonly updateTimer: FunctionRef<readonly ["i32"], undefined>;
}

/** Emits reads and writes by the rules of the table. */
export class CsrRuleEmitter {
  readonly #environment: CsrRuleEnvironment;
  readonly #pmp: PmpWrites;

  constructor(module: ModuleBuilder, environment: CsrRuleEnvironment) {
    this.#environment = environment;
    this.#pmp = definePmpWrites(module, environment.mmu.pmpChanged);
  }

  /** Pushes the value. */
  read(c: Code, rule: CsrRule, state: Var<"i32">, address: Var<"i32">): I64 {
    switch (rule.kind) {
      case "constant":
        return c.i64.const(rule.value);
      case "register":
        return readRegister(c, rule, state);
      case "view": {
        const readable = limited(c, state, rule.readable, rule.limit);
        return c.i64.and(this.read(c, viewed(rule), state, address), readable.get());
      }
      case "interrupt-pending":
        return c.i64.load(state.get(), State.MIP);
      case "float":
        return c.i64.extendI32U(readFloat(c, rule.part, state));
      case "counter": {
        const count = c.i64.mul(c.i64.sub(started(c, state), 1), running(c, state, rule.inhibit));
        return c.i64.add(count, c.i64.load(state.get(), rule.bias));
      }
      case "inhibit":
        return c.i64.load(state.get(), State.MCOUNTINHIBIT);
      case "time":
        return c.i64.truncSatF64U(c.call(this.#environment.imports.time));
      case "pmp-configuration":
        return c.i64.load(state.get(), State.PMPCFG + rule.first);
      case "pmp-address": {
        const entry = c.i32.shl(c.i32.and(address.get(), 15), 3);
        return c.i64.load(c.i32.add(entry, state.get()), State.PMPADDR);
      }
    }
  }

  /** Pushes the value that CSRRS and CSRRC modify and write back. */
  readForUpdate(c: Code, rule: CsrRule, state: Var<"i32">, address: Var<"i32">): I64 {
    if (rule.kind !== "interrupt-pending") return this.read(c, rule, state, address);
    const others = c.i64.and(c.i64.load(state.get(), State.MIP), ~InterruptBit.SEIP);
    return c.i64.or(others, c.i64.load(state.get(), State.SOFTWARE_MIP));
  }

  /** Writes `value`, which is overwritten. May emit a return. */
  write(c: Code, rule: CsrRule, state: Var<"i32">, address: Var<"i32">, value: Var<"i64">): void {
    switch (rule.kind) {
      case "constant":
      case "time":
        return;
      case "register":
        this.#writeRegister(c, rule, state, value);
        break;
      case "view": {
        const target = viewed(rule);
        const writable = limited(c, state, rule.writable, rule.limit);
        const kept = c.i64.and(this.readForUpdate(c, target, state, address), c.i64.xor(writable.get(), -1));
        value.set(c.i64.or(kept, c.i64.and(value.get(), writable.get())));
        this.write(c, target, state, address, value);
        break;
      }
      case "interrupt-pending":
        writePending(c, state, value);
        break;
      case "float":
        writeFloat(c, rule.part, state, value);
        break;
      case "counter": {
        const count = c.let64(c.i64.mul(started(c, state), running(c, state, rule.inhibit)));
        value.set(c.i64.sub(value.get(), count.get()));
        c.i64.store(state.get(), value.get(), rule.bias);
        break;
      }
      case "inhibit":
        writeInhibit(c, state, value);
        break;
      case "pmp-configuration":
        c.call(this.#pmp.configuration, state.get(), c.i32.const(rule.first), value.get());
        break;
      case "pmp-address":
        c.call(this.#pmp.address, state.get(), c.i32.and(address.get(), 15), value.get());
        break;
    }
  }

  #writeRegister(c: Code, rule: RuleOf<"register">, state: Var<"i32">, value: Var<"i64">): void {
    const fields = presentFields(rule.fields, this.#environment.isa);
    const old = c.let64(c.i64.load(state.get(), rule.offset));
    for (const field of fields) {
      if (field.legal === undefined) continue;
      const mask = fieldMask(field);
      const legal = field.legal.reduce((set, entry) => set | (1n << BigInt(entry)), 0n);
      const allowed = c.i64.shrU(c.i64.const(legal), c.i64.shrU(c.i64.and(value.get(), mask), field.low));
      c.if(c.i64.eqz(c.i64.and(allowed, 1)), () => {
        if (rule.illegal === "ignore-write") c.return();
        else value.set(c.i64.or(c.i64.and(value.get(), ~mask), c.i64.and(old.get(), mask)));
      });
    }
    const writable = writableMask(fields);
    if (BigInt.asIntN(64, writable) !== -1n) value.set(c.i64.and(value.get(), writable));
    const fixed = fixedValue(fields);
    if (fixed !== 0n) value.set(c.i64.or(value.get(), fixed));
    c.i64.store(state.get(), value.get(), rule.offset);
    for (const effect of rule.effects) this.#effect(c, effect, state, old, value);
  }

  #effect(c: Code, effect: CsrEffect, state: Var<"i32">, old: Var<"i64">, value: Var<"i64">): void {
    const { mmu, updateTimer } = this.#environment;
    switch (effect) {
      case "contexts": {
        const changed = c.i64.and(c.i64.xor(old.get(), value.get()), MEMORY_PRIVILEGE);
        c.if(c.i64.ne(changed, 0), () => c.call(mmu.contextsChanged, state.get()));
        break;
      }
      case "interrupts":
        emitInterruptNotice(c, state);
        break;
      case "timer":
        c.call(updateTimer, state.get());
        break;
      case "translation":
        c.if(c.i64.ne(old.get(), value.get()), () => c.call(mmu.satpChanged, state.get(), old.get()));
        break;
    }
  }
}

/** The rule of the CSR that a view shows. */
function viewed(rule: RuleOf<"view">): CsrRule {
  const target = CSRS.find(({ name }) => name === rule.of);
  if (target === undefined) throw new TypeError(`view of an unknown CSR: ${rule.of}`);
  return target.rule;
}

/** A view's mask: the constant, limited by a mask in the hart's block. */
function limited(c: Code, state: Var<"i32">, mask: bigint, limit: number | undefined): Var<"i64"> {
  if (limit === undefined) return c.let64(c.i64.const(mask));
  return c.let64(c.i64.and(c.i64.load(state.get(), limit), mask));
}

function readRegister(c: Code, rule: RuleOf<"register">, state: Var<"i32">): I64 {
  const stored = c.i64.load(state.get(), rule.offset);
  if (rule.dirtyBit === undefined) return stored;
  const value = c.let64(stored);
  const dirty = c.i64.eq(c.i64.and(value.get(), Mstatus.FS), Mstatus.FS);
  return c.i64.or(c.i64.shl(c.i64.extendI32U(dirty), rule.dirtyBit), value.get());
}

/** Pushes the instructions started so far, the current one included. */
function started(c: Code, state: Var<"i32">): I64 {
  const limit = c.i64.load(state.get(), State.RETIRED_LIMIT);
  return c.i64.sub(limit, c.i64.load32U(state.get(), State.REMAINING));
}

/** Pushes 1, or 0 when a bit of `mcountinhibit` stops the counter, whose bias is then its value. */
function running(c: Code, state: Var<"i32">, bit: number): I64 {
  const inhibit = c.i64.and(c.i64.load(state.get(), State.MCOUNTINHIBIT), 1 << bit);
  return c.i64.extendI32U(c.i64.eqz(inhibit));
}

/** Stops and starts counters so that their values go on from where they are. */
function writeInhibit(c: Code, state: Var<"i32">, value: Var<"i64">): void {
  const old = c.let64(c.i64.load(state.get(), State.MCOUNTINHIBIT));
  value.set(c.i64.and(value.get(), INHIBIT_WRITABLE));
  c.i64.store(state.get(), value.get(), State.MCOUNTINHIBIT);
  for (const { bit, bias } of INHIBITABLE) {
    const at = state.get();
    const before = c.i64.load(state.get(), bias);
    const stops = c.i64.and(c.i64.shrU(value.get(), bit), 1);
    const change = c.i64.sub(stops, c.i64.and(c.i64.shrU(old.get(), bit), 1));
    c.i64.store(at, c.i64.add(before, c.i64.mul(change, started(c, state))), bias);
  }
}

/** SEIP reads as the line or software's bit; STIP is software's unless Sstc drives it (section 3.1.9; Sstc). */
function writePending(c: Code, state: Var<"i32">, value: Var<"i64">): void {
  c.i64.store(state.get(), c.i64.and(value.get(), InterruptBit.SEIP), State.SOFTWARE_MIP);
  const compared = c.i64.and(c.i64.load(state.get(), State.MENVCFG), Menvcfg.STCE);
  const timer = c.i64.shl(c.i64.extendI32U(c.i64.eqz(compared)), 5);
  const writable = c.let64(c.i64.or(timer, InterruptBit.SSIP));
  const lines = c.i64.or(value.get(), c.i64.load(state.get(), State.LINES));
  value.set(c.i64.or(c.i64.and(lines, InterruptBit.SEIP), c.i64.and(value.get(), writable.get())));
  writable.set(c.i64.or(writable.get(), InterruptBit.SEIP));
  const at = state.get();
  const kept = c.i64.and(c.i64.load(state.get(), State.MIP), c.i64.xor(writable.get(), -1));
  c.i64.store(at, c.i64.or(kept, value.get()), State.MIP);
  emitInterruptNotice(c, state);
}

function readFloat(c: Code, part: "fflags" | "frm" | "fcsr", state: Var<"i32">): I32 {
  if (part === "fflags") return c.i32.load(state.get(), State.FFLAGS);
  const mode = c.i32.load(state.get(), State.FRM);
  if (part === "frm") return mode;
  return c.i32.or(c.i32.shl(mode, 5), c.i32.load(state.get(), State.FFLAGS));
}

/** A write makes the floating-point state dirty, even one that changes nothing. */
function writeFloat(c: Code, part: "fflags" | "frm" | "fcsr", state: Var<"i32">, value: Var<"i64">): void {
  if (part !== "frm") {
    c.i32.store(state.get(), c.i32.wrapI64(c.i64.and(value.get(), 31)), State.FFLAGS);
  }
  if (part !== "fflags") {
    const at = state.get();
    const mode = c.i64.shrU(value.get(), part === "frm" ? 0 : 5);
    c.i32.store(at, c.i32.wrapI64(c.i64.and(mode, 7)), State.FRM);
  }
  const at = state.get();
  c.i64.store(at, c.i64.or(c.i64.load(state.get(), State.MSTATUS), Mstatus.FS), State.MSTATUS);
}

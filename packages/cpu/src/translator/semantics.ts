import { Access, Tlb } from "@isomorph/mmu";
import type { Code, FunctionRef, I32, I64, Label, Values, Var } from "@isomorph/wasm";
import { hostLoad, hostStore, SIZE_LOG2, tlbEntry, tlbHit, tlbHost } from "../core/soft-tlb.ts";
import { FIELDS } from "../isa/fields.ts";
import type { PureFunction } from "../isa/pure-function.ts";
import { type AccessSize, type AmoOperation, type FloatName, Semantics } from "../isa/semantics.ts";
import { combineAmo } from "../isa/semantics-shared.ts";
import { State } from "../state.ts";
import type { DecodedInstruction } from "./region.ts";

/** What a region's function works on. */
export interface RegionVars {
  readonly state: Var<"i32">;
  readonly delta: Var<"i64">;
  readonly remaining: Var<"i32">;
  /** TLB context of loads and stores: it cannot change within a region. */
  readonly context: Var<"i64">;
  /** Guest registers; undefined where the region does not use one. */
  readonly x: readonly (Var<"i64"> | undefined)[];
  /** Host address at which the region is left. */
  readonly exitHost: Var<"i32">;
  /** Guest address at which the region is left by an indirect jump. */
  readonly exitPc: Var<"i64">;
  /** Instructions that were taken off `remaining` and not executed. */
  readonly notExecuted: Var<"i32">;
}

export interface RegionLabels {
  /** Leave at `exitHost` so that the interpreter executes that instruction; `notExecuted` is set. */
  readonly bail: Label;
  /** Leave at `exitPc`. */
  readonly exit: Label;
}

/** Functions of the core module that regions import. */
export interface RegionFunctions {
  readonly host: FunctionRef<readonly ["i32", "i64", "i32", "i32"], "i32">;
  readonly float: (name: FloatName) => FunctionRef;
  /** Leaves the region for a host address of the same page: `[state, delta, remaining, host]`. */
  readonly chainInPage: (code: Code, args: Values<ChainInPage["params"]>) => void;
  /** Leaves the region for a guest address: `[state, remaining, pc]`. */
  readonly chain: (code: Code, args: Values<Chain["params"]>) => void;
}

/** `(state, remaining, pc)`: goes on with the translation of the code at `pc`, or stores PC. */
export type Chain = FunctionRef<readonly ["i32", "i32", "i64"], "i32">;
/** `(state, delta, remaining, host)`: the same for code in a page whose translation is known. */
export type ChainInPage = FunctionRef<readonly ["i32", "i64", "i32", "i32"], "i32">;

/** Where static control flow goes: the structure of the region decides. */
export interface RegionFlow {
  /** Continues at a host address if the condition on the stack holds. */
  branchIf(condition: I32, target: number): void;
  goto(target: number): void;
}

const FS = 0x6000;

/** The instruction semantics with operands as constants and registers in variables. */
export class TranslatorSemantics extends Semantics {
  readonly #vars: RegionVars;
  readonly #labels: RegionLabels;
  readonly #functions: RegionFunctions;
  readonly #flow: RegionFlow;
  #current: DecodedInstruction | undefined;
  /** Instructions of the block from the current one on. */
  #left = 0;
  /** Whether the block has checked already that the FPU is on and dirty. */
  #floatChecked = false;

  constructor(
    code: Code,
    vars: RegionVars,
    labels: RegionLabels,
    functions: RegionFunctions,
    flow: RegionFlow,
  ) {
    super(code);
    this.#vars = vars;
    this.#labels = labels;
    this.#functions = functions;
    this.#flow = flow;
  }

  /** Emits the instructions of a block. */
  emitBlock(instructions: readonly DecodedInstruction[]): void {
    this.#left = instructions.length;
    this.#floatChecked = false;
    for (const current of instructions) {
      this.#current = current;
      this.code.scope(() => current.instruction.execute(this));
      this.#left--;
    }
  }

  get #decoded(): DecodedInstruction {
    return this.#current as DecodedInstruction;
  }

  /** Leaves so that the interpreter executes the current instruction. */
  #bail(): void {
    const { i32, code } = this;
    this.#vars.exitHost.set(i32.const(this.#decoded.address));
    this.#vars.notExecuted.set(i32.const(this.#left));
    code.br(this.#labels.bail);
  }

  #x(register: number): I64 {
    return register === 0 ? this.i64.const(0) : (this.#vars.x[register] as Var<"i64">).get();
  }
  x1(): I64 {
    return this.#x(FIELDS.rs1.decode(this.#decoded.word));
  }
  x2(): I64 {
    return this.#x(FIELDS.rs2.decode(this.#decoded.word));
  }
  setX(value: I64): void {
    const register = FIELDS.rd.decode(this.#decoded.word);
    if (register === 0) this.code.drop(value);
    else (this.#vars.x[register] as Var<"i64">).set(value);
  }

  #immediate(): number {
    const { instruction, word } = this.#decoded;
    for (const name of instruction.fields) {
      const field = FIELDS[name];
      if (field.kind !== "immediate" && field.kind !== "constant") continue;
      return name === "immU" ? field.decode(word) << 12 : field.decode(word);
    }
    throw new TypeError(`${instruction.name} has no immediate`);
  }
  immediate(): I64 {
    return this.i64.const(this.#immediate());
  }
  immediate32(): I32 {
    return this.i32.const(this.#immediate());
  }

  apply({ emit }: PureFunction, first: I64, second?: I64): I64 {
    const { code } = this;
    const b = second === undefined ? undefined : code.let64(second);
    const a = code.let64(first);
    return emit(code, a, b ?? a);
  }

  f(operand: 1 | 2 | 3): I64 {
    const field = operand === 1 ? FIELDS.fs1 : operand === 2 ? FIELDS.fs2 : FIELDS.fs3;
    return this.i64.load(this.#vars.state.get(), State.F + 8 * field.decode(this.#decoded.word));
  }
  setF(value: I64): void {
    const { code, i64 } = this;
    const result = code.let64(value);
    i64.store(this.#vars.state.get(), result.get(), State.F + 8 * FIELDS.fd.decode(this.#decoded.word));
  }

  /** Regions run only with a dirty FPU: the interpreter executes the instruction that makes it so. */
  useFloat(): void {
    if (this.#floatChecked) return;
    this.#floatChecked = true;
    const { code, i32 } = this;
    code.if(i32.ne(i32.and(this.state32(State.MSTATUS), FS), FS), () => this.#bail());
  }

  roundingMode(): I32 {
    const { code, i32 } = this;
    const mode = FIELDS.rm.decode(this.#decoded.word);
    if (mode !== 7) return i32.const(mode);
    const dynamic = code.let32(this.state32(State.FRM));
    code.if(i32.gtU(dynamic.get(), 4), () => this.#bail());
    return dynamic.get();
  }

  protected callFloat(name: FloatName, push: () => void): unknown {
    this.#vars.state.get();
    push();
    return this.code.call(this.#functions.float(name) as FunctionRef<readonly []>);
  }

  /** Host address of an aligned access to RAM; anything else is the interpreter's. */
  #host(va: Var<"i64">, size: AccessSize, access: number): I32 {
    const { code, i32 } = this;
    const { state, context } = this.#vars;
    const entry = code.let32(tlbEntry(code, state, va));
    const tag = access === Access.WRITE ? Tlb.WRITE : Tlb.READ;
    return code.choose(
      "i32",
      tlbHit(code, entry, va, size, tag, () => context.get()),
      () => tlbHost(code, entry, va),
      () => {
        const host = code.var("i32");
        const missed = host.tee(
          code.call(
            this.#functions.host,
            state.get(),
            va.get(),
            i32.const(SIZE_LOG2[size]),
            i32.const(access),
          ),
        );
        code.if(i32.eqz(missed), () => this.#bail());
        return host.get();
      },
    );
  }

  load(address: I64, size: AccessSize, signed: boolean): I64 {
    const va = this.code.let64(address);
    return hostLoad(this.code, this.#host(va, size, Access.READ), size, signed);
  }

  store(address: I64, value: I64, size: AccessSize): void {
    const stored = this.code.let64(value);
    const va = this.code.let64(address);
    hostStore(this.code, this.#host(va, size, Access.WRITE), stored.get(), size);
  }

  loadReserved(address: I64, size: 4 | 8): I64 {
    const { code, i64 } = this;
    const { state } = this.#vars;
    const va = code.let64(address);
    const value = code.let64(hostLoad(code, this.#host(va, size, Access.READ), size, true));
    i64.store(state.get(), i64.add(va.get(), 1), State.RESERVATION);
    i64.store(state.get(), value.get(), State.RESERVED_VALUE);
    return value.get();
  }

  storeConditional(address: I64, value: I64, size: 4 | 8): I64 {
    const { code, i64 } = this;
    const stored = code.let64(value);
    const va = code.let64(address);
    const failed = code.let64(i64.const(1));
    code.if(i64.eq(this.state64(State.RESERVATION), i64.add(va.get(), 1)), () => {
      const host = code.let32(this.#host(va, size, Access.WRITE));
      code.if(i64.eq(hostLoad(code, host.get(), size, true), this.state64(State.RESERVED_VALUE)), () => {
        hostStore(code, host.get(), stored.get(), size);
        failed.set(i64.const(0));
      });
    });
    i64.store(this.#vars.state.get(), 0, State.RESERVATION);
    return failed.get();
  }

  amo(address: I64, value: I64, size: 4 | 8, operation: AmoOperation): I64 {
    const { code } = this;
    const operand = code.let64(value);
    const va = code.let64(address);
    const host = code.let32(this.#host(va, size, Access.WRITE));
    const old = code.let64(hostLoad(code, host.get(), size, true));
    hostStore(code, host.get(), combineAmo(code, old, operand, size, operation), size);
    return old.get();
  }

  /** The guest address of a host address of this page. */
  #guest(host: number): I64 {
    return this.i64.add(this.#vars.delta.get(), host);
  }
  pc(): I64 {
    return this.#guest(this.#decoded.address);
  }
  nextPc(): I64 {
    return this.#guest(this.#decoded.address + this.#decoded.length);
  }

  branch(condition: I32): void {
    this.#flow.branchIf(condition, this.#decoded.address + this.#immediate());
  }
  jump(): void {
    this.#flow.goto(this.#decoded.address + this.#immediate());
  }
  jumpTo(target: I64): void {
    this.#vars.exitPc.set(target);
    this.code.br(this.#labels.exit);
  }

  state32(offset: number): I32 {
    return this.i32.load(this.#vars.state.get(), offset);
  }
  state64(offset: number): I64 {
    return this.i64.load(this.#vars.state.get(), offset);
  }

  /** One thread sees its own accesses in order. */
  fence(): void {}

  // Instructions with the flow `system` end a region before they are reached.
  zeroBlock(): void {
    this.#refuse();
  }
  probeBlock(): void {
    this.#refuse();
  }
  csr(): void {
    this.#refuse();
  }
  trap(): void {
    this.#refuse();
  }
  environmentCall(): void {
    this.#refuse();
  }
  /** The interpreter raises it. */
  illegalIf(condition: I32): void {
    this.code.if(condition, () => this.#bail());
  }
  trapReturn(): void {
    this.#refuse();
  }
  waitForInterrupt(): void {
    this.#refuse();
  }
  fenceAddressTranslation(): void {
    this.#refuse();
  }
  fenceInstruction(): void {
    this.#refuse();
  }
  #refuse(): never {
    throw new TypeError(`${this.#decoded.instruction.name} is not translated`);
  }
}

import { Access, type HostAddresses, type MmuFunctions } from "@isomorph/mmu";
import type { Code, FunctionRef, I32, I64, Int, Label, MemoryOps, Var } from "@isomorph/wasm";
import { type AddressSpace, hostAddress, type Located } from "../core/address-space.ts";
import type { AtomicHost } from "../core/atomic-host.ts";
import type { AtomicMemory } from "../core/atomic-memory.ts";
import { dataContext, hostLoad, hostStore, SIZE_LOG2, signExtend } from "../core/soft-tlb.ts";
import type { CsrFunctions } from "../csr/index.ts";
import type { FloatFunctions } from "../float/index.ts";
import type { Instruction } from "../isa/instruction.ts";
import type { PureFunction } from "../isa/pure-function.ts";
import { type AccessSize, type AmoOperation, type FloatName, Semantics } from "../isa/semantics.ts";
import { callFloatFunction } from "../isa/semantics-shared.ts";
import { State } from "../state.ts";
import { NO_RETURN } from "../translator/chain.ts";
import { Exception } from "../trap/causes.ts";
import { emitImmediate } from "./immediate.ts";

/** Variables of the interpreter's function. */
export interface InterpreterVars {
  readonly state: Var<"i32">;
  /** Host address of the instruction. */
  readonly ip: Var<Int>;
  /** First host address at which fetching needs a look: two bytes before the page ends. 0 asks for a look at once. */
  readonly end: Var<Int>;
  /** Guest virtual address minus host address. */
  readonly delta: Var<"i64">;
  /** The instruction word. What is compressed is in its lower half, or expanded where only that is looked at. */
  readonly word: Var<"i32">;
  /** Instructions that may still be executed, this one not included. */
  readonly remaining: Var<"i32">;
  /** Host address that a taken branch goes to. */
  readonly target: Var<Int>;
  /** Guest address that a region which called waits for; {@link NO_RETURN} in the outermost interpreter. */
  readonly returnTo: Var<"i64">;
}

/** Where control goes from an instruction. */
export interface InterpreterLabels {
  /** The instruction is for the outermost interpreter. */
  readonly system: Label;
  /** FAULT and FAULT_ADDRESS hold an exception. */
  readonly fault: Label;
  readonly illegal: Label;
  /** `target` holds the host address of a taken branch. */
  readonly branch: Label;
  /** The same for a jump. */
  readonly jump: Label;
  /** PC holds where to go on. */
  readonly resync: Label;
}

export interface InterpreterFunctions {
  readonly space: AddressSpace;
  readonly mmu: MmuFunctions;
  readonly csrs: CsrFunctions;
  readonly float: FloatFunctions;
  /** The function of the module for a {@link PureFunction}. */
  readonly pure: (target: PureFunction) => FunctionRef;
  /** `(state, cause, tval)`: where traps leave to the embedder, keeps what it wants to know; in the place of `takeTrap`. */
  readonly leave: FunctionRef<readonly ["i32", "i64", "i64"], undefined> | undefined;
  readonly atomicHost: AtomicHost;
  readonly atomics: AtomicMemory;
  /** `(state)`: where harts are threads: does what other threads want from the hart. */
  readonly mail: FunctionRef<readonly ["i32"], undefined> | undefined;
}

/** Values of the EXIT field. */
export const Exit = {
  BUDGET: 0,
  WAIT: 1,
  FIRMWARE_CALL: 2,
  TRAP_LOOP: 3,
  REQUESTED: 4,
  HOT_BLOCK: 5,
  /** Where traps leave to the embedder. */
  TRAP: 6,
  /** Where stores to code are not noticed: FENCE.I was executed. */
  FENCE_INSTRUCTION: 7,
} as const;

/** The instruction semantics with operands decoded at run time. */
export class InterpreterSemantics extends Semantics {
  readonly #vars: InterpreterVars;
  readonly #labels: InterpreterLabels;
  readonly #functions: InterpreterFunctions;
  /** The instruction whose semantics are being emitted. */
  #instruction: Instruction | undefined;

  constructor(code: Code, vars: InterpreterVars, labels: InterpreterLabels, functions: InterpreterFunctions) {
    super(code);
    this.#vars = vars;
    this.#labels = labels;
    this.#functions = functions;
  }

  /** Emits one instruction; control then falls through to the next. */
  emit(instruction: Instruction): void {
    this.#instruction = instruction;
    this.code.scope(() => instruction.execute(this));
  }

  /** Bytes of the instruction. */
  protected get length(): number {
    return 4;
  }

  /** Host address of a register: five bits of the word at `shift`, times eight. */
  #register(shift: number): I32 {
    const { i32 } = this;
    const { word, state } = this.#vars;
    return i32.add(i32.and(i32.shrU(word.get(), shift - 3), 0xf8), state.get());
  }

  x1(): I64 {
    return this.i64.load(this.#register(15), State.X);
  }
  x2(): I64 {
    return this.i64.load(this.#register(20), State.X);
  }
  setX(value: I64): void {
    const { code, i32, i64 } = this;
    const { word, state } = this.#vars;
    const result = code.let64(value);
    const place = i32.add(i32.and(i32.shrU(word.get(), 4), 0xf8), state.get());
    i64.store(place, result.get(), State.X);
    i64.store(state.get(), 0, State.X);
  }

  immediate(): I64 {
    return this.i64.extendI32S(this.immediate32());
  }

  immediate32(): I32 {
    const found = emitImmediate(this.i32, this.#vars.word, this.#instruction?.fields ?? []);
    if (found === undefined) throw new TypeError(`${this.#instruction?.name} has no immediate`);
    return found;
  }

  apply(target: PureFunction): I64 {
    // The operands are on the stack.
    return this.code.call(this.#functions.pure(target) as FunctionRef<readonly [], "i64">);
  }

  f(operand: 1 | 2 | 3): I64 {
    return this.i64.load(this.#register(operand === 1 ? 15 : operand === 2 ? 20 : 27), State.F);
  }
  setF(value: I64): void {
    const { code, i32, i64 } = this;
    const { word, state } = this.#vars;
    const result = code.let64(value);
    i64.store(i32.add(i32.and(i32.shrU(word.get(), 4), 0xf8), state.get()), result.get(), State.F);
  }

  useFloat(): void {
    const { code, i32 } = this;
    const FS = 0x6000;
    const status = code.let32(i32.and(this.state32(State.MSTATUS), FS));
    code.if(i32.ne(status.get(), FS), () => {
      code.brIf(this.#labels.illegal, i32.eqz(status.get()));
      i32.store(this.#vars.state.get(), i32.or(this.state32(State.MSTATUS), FS), State.MSTATUS);
    });
  }

  roundingMode(): I32 {
    const { code, i32 } = this;
    const mode = code.let32(i32.and(i32.shrU(this.#vars.word.get(), 12), 7));
    code.if(i32.eq(mode.get(), 7), () => mode.set(this.state32(State.FRM)));
    code.brIf(this.#labels.illegal, i32.gtU(mode.get(), 4));
    return mode.get();
  }

  protected callFloat(name: FloatName, push: () => void): unknown {
    this.#vars.state.get();
    push();
    return callFloatFunction(this.code, this.#functions.float, name);
  }

  /** What must be true before code outside may look at the hart: counters are exact. */
  #sync(): void {
    this.i32.store(this.#vars.state.get(), this.#vars.remaining.get(), State.REMAINING);
  }

  /** After a call that can fault. */
  #checkFault(): void {
    this.code.brIf(this.#labels.fault, this.state32(State.FAULT));
  }

  get #host(): HostAddresses {
    return this.#functions.space.host;
  }
  get #ram(): MemoryOps {
    return this.#host.ram(this.code);
  }

  /** After a device access: makes the next fetch look at interrupts. */
  #checkAttention(): void {
    const { code } = this;
    const { end } = this.#vars;
    code.if(this.state32(State.ATTENTION), () => end.set(this.#host.ops(code).const(0)));
  }

  /** Begins an access to the address on the stack. */
  #locate(va: Var<"i64">, size: AccessSize, access: number, isAtomic = false): Located {
    const { code } = this;
    const { state } = this.#vars;
    const extent = { access, size, isAtomic };
    return this.#functions.space.locate(code, state, va, extent, () => dataContext(code, state));
  }

  load(address: I64, size: AccessSize, signed: boolean): I64 {
    const { code } = this;
    const { state } = this.#vars;
    const va = code.let64(address);
    const { hits, host, offset } = this.#locate(va, size, Access.READ);
    return code.choose(
      "i64",
      hits(),
      () => hostLoad(this.#ram, host(), size, signed, offset),
      () => {
        this.#sync();
        const value = code.let64(
          code.call(this.#functions.mmu.load, state.get(), va.get(), code.i32.const(SIZE_LOG2[size])),
        );
        this.#checkFault();
        this.#checkAttention();
        return signed ? signExtend(code, value.get(), size) : value.get();
      },
      "likely",
    );
  }

  store(address: I64, value: I64, size: AccessSize): void {
    const { code } = this;
    const { state } = this.#vars;
    // The value is on top of the stack, the address below it.
    const stored = code.let64(value);
    const va = code.let64(address);
    const { hits, host, offset } = this.#locate(va, size, Access.WRITE);
    code.if(
      hits(),
      () => hostStore(this.#ram, host(), stored.get(), size, offset),
      () => {
        this.#sync();
        code.call(
          this.#functions.mmu.store,
          state.get(),
          va.get(),
          stored.get(),
          code.i32.const(SIZE_LOG2[size]),
        );
        this.#checkFault();
        this.#checkAttention();
      },
      "likely",
    );
  }

  /** Host address of an aligned access to RAM, or a fault. `bytesLog2` is for what writes more than one operand. */
  #atomicHost(
    va: Var<"i64">,
    size: AccessSize,
    access: number,
    bytesLog2: number = SIZE_LOG2[size],
  ): Var<Int> {
    const { code, i32 } = this;
    const { state } = this.#vars;
    const located = this.#locate(va, size, access, true);
    const host = code.var(this.#host.type);
    code.if(
      located.hits(),
      () => host.set(hostAddress(code, this.#functions.space, located)),
      () => {
        this.#sync();
        host.set(
          code.call(
            this.#functions.atomicHost,
            state.get(),
            va.get(),
            i32.const(bytesLog2),
            i32.const(access),
          ),
        );
        code.brIf(this.#labels.fault, this.#host.ops(code).eqz(host.get()));
      },
      "likely",
    );
    return host;
  }

  loadReserved(address: I64, size: 4 | 8): I64 {
    const { code, i64 } = this;
    const { state } = this.#vars;
    const va = code.let64(address);
    const host = this.#atomicHost(va, size, Access.READ);
    const value = code.let64(this.#functions.atomics.load(code, host.get(), size));
    i64.store(state.get(), i64.add(va.get(), 1), State.RESERVATION);
    i64.store(state.get(), value.get(), State.RESERVED_VALUE);
    return value.get();
  }

  storeConditional(address: I64, value: I64, size: 4 | 8): I64 {
    const { code, i64 } = this;
    const { state } = this.#vars;
    const stored = code.let64(value);
    const va = code.let64(address);
    const failed = code.let64(i64.const(1));
    code.if(i64.eq(this.state64(State.RESERVATION), i64.add(va.get(), 1)), () => {
      const host = this.#atomicHost(va, size, Access.WRITE);
      // Stores of other harts between LR and SC show as a changed value.
      const expected = () => this.state64(State.RESERVED_VALUE);
      const succeeded = this.#functions.atomics.storeIf(code, host, expected, stored, size);
      failed.set(i64.extendI32U(this.i32.eqz(succeeded)));
    });
    i64.store(state.get(), 0, State.RESERVATION);
    return failed.get();
  }

  amo(address: I64, value: I64, size: 4 | 8, operation: AmoOperation): I64 {
    const { code } = this;
    const operand = code.let64(value);
    const va = code.let64(address);
    const host = this.#atomicHost(va, size, Access.WRITE);
    return this.#functions.atomics.amo(code, host, operand, size, operation);
  }

  zeroBlock(address: I64): void {
    const { code, i32, i64 } = this;
    const va = code.let64(address);
    const block = code.let64(i64.and(va.get(), -64));
    // Memory protection and translated code have to do with all 64 bytes.
    const host = this.#atomicHost(block, 8, Access.WRITE, 6);
    this.#ram.fill(host.get(), i32.const(0), this.#host.ops(code).const(64));
  }

  probeBlock(address: I64): void {
    const { code, i32, i64 } = this;
    const { state } = this.#vars;
    const va = code.let64(address);
    const aligned = code.let64(i64.and(va.get(), -64));
    this.#sync();
    const found = this.#host.let(
      code,
      code.call(this.#functions.mmu.host, state.get(), aligned.get(), i32.const(3), i32.const(Access.READ)),
    );
    code.if(this.#host.ops(code).eqz(found.get()), () => {
      // FAULT is the cause plus one. Load faults are reported as store faults: 5 becomes 7, 13 becomes 15. Where
      // there is no RAM there are no blocks.
      const fault = code.let32(this.state32(State.FAULT));
      i32.store(
        state.get(),
        code.select(i32.add(fault.get(), 2), i32.const(Exception.STORE_ACCESS_FAULT + 1), fault.get()),
        State.FAULT,
      );
      i64.store(state.get(), va.get(), State.FAULT_ADDRESS);
      code.br(this.#labels.fault);
    });
  }

  pc(): I64 {
    const { ip, delta } = this.#vars;
    return this.i64.add(this.#host.to64(this.code, ip.get()), delta.get());
  }
  nextPc(): I64 {
    const { ip, delta } = this.#vars;
    const { code } = this;
    const next = this.#host.ops(code).add(ip.get(), this.length);
    return this.i64.add(this.#host.to64(code, next), delta.get());
  }

  branch(condition: I32): void {
    this.code.if(condition, () => this.#goto(this.#labels.branch));
  }
  jump(): void {
    this.#goto(this.#labels.jump);
  }
  #goto(label: Label): void {
    const { ip, target } = this.#vars;
    const { code } = this;
    target.set(this.#host.ops(code).add(ip.get(), this.#host.from32(code, this.immediate32())));
    code.br(label);
  }
  jumpTo(target: I64): void {
    const { code, i64 } = this;
    const pc = code.let64(target);
    i64.store(this.#vars.state.get(), pc.get(), State.PC);
    code.br(this.#labels.resync);
  }

  csr(operation: "write" | "set" | "clear", source: "register" | "immediate"): void {
    const { code, i32 } = this;
    const { word, state } = this.#vars;
    const { csrLegal, csrRead, csrWrite, csrSet, csrClear } = this.#functions.csrs;
    const address = code.let32(i32.shrU(word.get(), 20));
    // Those of floating point, and of the supervisor but for satp and what is above, change nothing of the mapping of code.
    const isHarmless = i32.or(
      i32.ltU(address.get(), 4),
      i32.or(i32.eq(i32.and(address.get(), 0xfb0), 0x100), i32.geU(address.get(), 0xc00)),
    );
    code.brIf(this.#labels.system, i32.and(i32.eqz(isHarmless), this.#isNested()));
    this.#sync();
    const writes = code.let32(operation === "write" ? i32.const(1) : i32.ne(i32.and(word.get(), 0xf8000), 0));
    code.brIf(this.#labels.illegal, i32.eqz(code.call(csrLegal, state.get(), address.get(), writes.get())));
    const operand = code.let64(source === "register" ? this.x1() : this.immediate());
    const old = code.let64(code.call(csrRead, state.get(), address.get()));
    code.if(
      writes.get(),
      () => {
        const write = { write: csrWrite, set: csrSet, clear: csrClear }[operation];
        code.call(write, state.get(), address.get(), operand.get());
        this.setX(old.get());
        this.#resume();
      },
      () => this.setX(old.get()),
    );
  }

  #isNested(): I32 {
    return this.i64.ne(this.#vars.returnTo.get(), NO_RETURN);
  }

  /** Leaves an instruction that may change the mapping of code, or ends the run, to the outermost interpreter. */
  #requireOutermost(): void {
    this.code.brIf(this.#labels.system, this.#isNested());
  }

  /** Goes on with the next instruction after a change of more than registers and memory. */
  #resume(): void {
    const next = this.code.let64(this.nextPc());
    this.i64.store(this.#vars.state.get(), next.get(), State.PC);
    this.code.br(this.#labels.resync);
  }

  trap(cause: number): void {
    const pc = this.code.let64(this.pc());
    this.i64.store(this.#vars.state.get(), pc.get(), State.FAULT_ADDRESS);
    this.#raise(this.i32.const(cause));
  }
  #raise(cause: I32): void {
    const { code, i32 } = this;
    const fault = code.let32(i32.add(cause, 1));
    i32.store(this.#vars.state.get(), fault.get(), State.FAULT);
    code.br(this.#labels.fault);
  }

  environmentCall(): void {
    const { code, i32, i64 } = this;
    const { state } = this.#vars;
    this.#requireOutermost();
    code.if(i32.and(this.state32(State.FIRMWARE_IN_VMM), i32.eq(this.state32(State.MODE), 1)), () => {
      const pc = code.let64(this.pc());
      i64.store(state.get(), pc.get(), State.PC);
      this.#exit(Exit.FIRMWARE_CALL);
    });
    i64.store(state.get(), 0, State.FAULT_ADDRESS);
    this.#raise(i32.add(this.state32(State.MODE), 8));
  }

  #exit(reason: number): void {
    this.#sync();
    this.i32.store(this.#vars.state.get(), reason, State.EXIT);
    this.code.return(this.i32.const(0));
  }

  illegalIf(condition: I32): void {
    this.code.brIf(this.#labels.illegal, condition);
  }
  state32(offset: number): I32 {
    return this.i32.load(this.#vars.state.get(), offset);
  }
  state64(offset: number): I64 {
    return this.i64.load(this.#vars.state.get(), offset);
  }

  trapReturn(from: "machine" | "supervisor"): void {
    const { mret, sret } = this.#functions.csrs;
    this.#requireOutermost();
    this.code.call(from === "machine" ? mret : sret, this.#vars.state.get());
    this.code.br(this.#labels.resync);
  }

  waitForInterrupt(): void {
    const { code, i64 } = this;
    const { state } = this.#vars;
    this.#requireOutermost();
    this.#sync();
    code.call(this.#functions.csrs.updateTimer, state.get());
    const next = code.let64(this.nextPc());
    i64.store(state.get(), next.get(), State.PC);
    code.if(i64.eqz(i64.and(this.state64(State.MIP), this.state64(State.MIE))), () => this.#exit(Exit.WAIT));
    this.i32.store(state.get(), 1, State.ATTENTION);
    code.br(this.#labels.resync);
  }

  fenceAddressTranslation(): void {
    const { code, i32 } = this;
    const { word, state } = this.#vars;
    const { flushAll, flushAsid, flushAddress } = this.#functions.mmu;
    this.#requireOutermost();
    const hasAddress = i32.and(word.get(), 0xf8000);
    code.if(
      hasAddress,
      () => code.call(flushAddress, state.get(), this.x1()),
      () =>
        code.if(
          i32.and(word.get(), 0x1f00000),
          () => code.call(flushAsid, state.get(), this.x2()),
          () => code.call(flushAll, state.get()),
        ),
    );
    this.#resume();
  }

  /**
   * The interpreter reads memory anew for each instruction, and stores drop translations at once; where stores are not
   * noticed, the translator has to look for what has changed.
   */
  fenceInstruction(): void {
    this.#requireOutermost();
    if (this.#functions.space.flat === undefined) {
      this.#resume();
      return;
    }
    const next = this.code.let64(this.nextPc());
    this.i64.store(this.#vars.state.get(), next.get(), State.PC);
    this.#exit(Exit.FENCE_INSTRUCTION);
  }

  fence(): void {
    this.#functions.atomics.fence(this.code);
  }
}

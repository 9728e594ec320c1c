import { Access, type HostAddress, type HostAddresses } from "@isomorph/mmu";
import type { Code, FunctionRef, I32, I64, MemoryOps, Var } from "@isomorph/wasm";
import { hostLoad, hostStore } from "../core/soft-tlb.ts";
import { FIELDS } from "../isa/fields.ts";
import type { PureFunction } from "../isa/pure-function.ts";
import { type AccessSize, type AmoOperation, type FloatName, Semantics } from "../isa/semantics.ts";
import { State } from "../state.ts";
import type { GroupedAccess } from "./access-groups.ts";
import { type DecodedInstruction, writesCsr } from "./code-reader.ts";
import type { GroupHost, MemoryAccesses, Place } from "./memory-accesses.ts";
import { guestAddress, type RegionFlow, type RegionFunctions, type RegionVars } from "./region-functions.ts";
import type { SideExits } from "./side-exits.ts";

const FS = 0x6000;

/** The instruction semantics with operands as constants and registers in variables. */
export class TranslatorSemantics extends Semantics {
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  readonly #flow: RegionFlow;
  readonly #accesses: MemoryAccesses;
  readonly #exits: SideExits;
  #current: DecodedInstruction | undefined;
  #grouped: GroupedAccess | undefined;
  #host: GroupHost | undefined;
  /** Whether the block has checked already that the FPU is on and dirty. */
  floatChecked = false;

  constructor(
    code: Code,
    vars: RegionVars,
    functions: RegionFunctions,
    flow: RegionFlow,
    accesses: MemoryAccesses,
    exits: SideExits,
  ) {
    super(code);
    this.#vars = vars;
    this.#functions = functions;
    this.#flow = flow;
    this.#accesses = accesses;
    this.#exits = exits;
  }

  /**
   * The instruction to be described next.
   *
   * @param access - Where its access finds its operand if that was checked in a group, whose first byte is at `host`.
   */
  begin(current: DecodedInstruction, access?: GroupedAccess, host?: GroupHost): void {
    this.#current = current;
    this.#grouped = access;
    this.#host = host;
  }

  get #addresses(): HostAddresses {
    return this.#functions.space.host;
  }
  /** The instructions that access RAM. */
  get ram(): MemoryOps {
    return this.#addresses.ram(this.code);
  }

  get #decoded(): DecodedInstruction {
    return this.#current as DecodedInstruction;
  }

  /** Leaves so that the interpreter executes the current instruction, if the condition on the stack holds. */
  #bailIf(condition: I32): void {
    this.#exits.leaveAt(this.#decoded, condition);
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
    if (register === 0) {
      this.code.drop(value);
      return;
    }
    (this.#vars.x[register] as Var<"i64">).set(value);
    this.#exits.dirty |= this.#decoded.written;
  }

  #immediate(): number {
    const { instruction, word } = this.#decoded;
    const name = instruction.immediate;
    if (name === "immU") return word & -4096;
    if (name !== undefined) return FIELDS[name].decode(word);
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

  #f(operand: 1 | 2 | 3): number {
    const field = operand === 1 ? FIELDS.fs1 : operand === 2 ? FIELDS.fs2 : FIELDS.fs3;
    return field.decode(this.#decoded.word);
  }
  f(operand: 1 | 2 | 3): I64 {
    return this.#vars.float.bits(this.#f(operand));
  }
  setF(value: I64): void {
    this.#vars.float.setBits(FIELDS.fd.decode(this.#decoded.word), value);
  }
  override single(operand: 1 | 2 | 3): I32 {
    return this.i32.reinterpretF32(this.#vars.float.single(this.#f(operand)));
  }
  override setSingle(value: I32): void {
    this.#vars.float.setSingle(FIELDS.fd.decode(this.#decoded.word), this.code.f32.reinterpretI32(value));
  }

  /** Regions run only with a dirty FPU: the interpreter executes the instruction that makes it so. */
  useFloat(): void {
    // User mode by itself has nobody who turns it off.
    if (this.floatChecked || this.#functions.space.flat !== undefined) return;
    this.floatChecked = true;
    const { i32 } = this;
    this.#bailIf(i32.ne(i32.and(this.state32(State.MSTATUS), FS), FS));
  }

  roundingMode(): I32 {
    const { code, i32 } = this;
    const mode = FIELDS.rm.decode(this.#decoded.word);
    if (mode !== 7) return i32.const(mode);
    const dynamic = code.let32(this.state32(State.FRM));
    this.#bailIf(i32.gtU(dynamic.get(), 4));
    return dynamic.get();
  }

  protected callFloat(name: FloatName, push: () => void): unknown {
    this.#vars.state.get();
    push();
    return this.code.call(this.#functions.float(name) as FunctionRef<readonly []>);
  }

  /** Host address of an access to RAM that must be aligned. */
  #alignedHost(va: Var<"i64">, size: AccessSize, access: number): HostAddress {
    return this.#accesses.alignedPlace(this.#decoded, va, size, access);
  }

  override address(): I64 {
    if (this.#host === undefined) return super.address();
    // The host address, in the place of the guest's.
    return this.#host.first.get() as unknown as I64;
  }

  /** Where an access to the address on the stack goes: pushes a host address, and gives a constant to add. */
  place(address: I64, size: AccessSize, access: number): Place {
    if (this.#host !== undefined)
      return { host: address as unknown as HostAddress, offset: this.#groupedOffset() };
    return this.#accesses.place(this.#decoded, this.code.let64(address), size, access);
  }

  /** What is to be added to the host address of the group for the current access. */
  #groupedOffset(): number {
    return (this.#grouped as GroupedAccess).offset + (this.#host as GroupHost).offset;
  }

  load(address: I64, size: AccessSize, signed: boolean): I64 {
    const { host, offset } = this.place(address, size, Access.READ);
    return hostLoad(this.ram, host, size, signed, offset);
  }

  store(address: I64, value: I64, size: AccessSize): void {
    const { code } = this;
    if (this.#host !== undefined) {
      hostStore(this.ram, address as unknown as HostAddress, value, size, this.#groupedOffset());
      return;
    }
    const stored = code.let64(value);
    const { host, offset } = this.#accesses.place(this.#decoded, code.let64(address), size, Access.WRITE);
    hostStore(this.ram, host, stored.get(), size, offset);
  }

  loadReserved(address: I64, size: 4 | 8): I64 {
    const { code, i64 } = this;
    const { state } = this.#vars;
    const va = code.let64(address);
    const host = this.#alignedHost(va, size, Access.READ);
    const value = code.let64(this.#functions.atomics.load(code, host, size));
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
      const host = this.#addresses.let(code, this.#alignedHost(va, size, Access.WRITE));
      const expected = () => this.state64(State.RESERVED_VALUE);
      const succeeded = this.#functions.atomics.storeIf(code, host, expected, stored, size);
      failed.set(i64.extendI32U(this.i32.eqz(succeeded)));
    });
    this.#exits.forget();
    i64.store(this.#vars.state.get(), 0, State.RESERVATION);
    return failed.get();
  }

  amo(address: I64, value: I64, size: 4 | 8, operation: AmoOperation): I64 {
    const { code } = this;
    const operand = code.let64(value);
    const va = code.let64(address);
    const host = this.#addresses.let(code, this.#alignedHost(va, size, Access.WRITE));
    return this.#functions.atomics.amo(code, host, operand, size, operation);
  }

  /** The guest address of a host address of this page. */
  #guest(host: number): I64 {
    return guestAddress(this.code, this.#vars, this.#functions.space, host);
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
    const target = this.#decoded.address + this.#immediate();
    if (this.#decoded.transfer === "call") this.#flow.call(target);
    else this.#flow.goto(target);
  }
  jumpTo(target: I64): void {
    const pc = this.code.let64(target);
    const { transfer } = this.#decoded;
    if (transfer === "indirect-call") this.#flow.callPc(pc);
    else if (transfer === "return") this.#flow.returnTo(pc);
    else this.#flow.gotoPc(pc);
  }

  state32(offset: number): I32 {
    return this.i32.load(this.#vars.state.get(), offset);
  }
  state64(offset: number): I64 {
    return this.i64.load(this.#vars.state.get(), offset);
  }

  fence(): void {
    this.#functions.atomics.fence(this.code);
  }

  zeroBlock(address: I64): void {
    const { code, i64 } = this;
    const va = code.let64(i64.and(address, -64));
    const host = this.#addresses.let(code, this.#alignedHost(va, 8, Access.WRITE));
    for (let offset = 0; offset < 64; offset += 8) this.ram.i64.store(host.get(), 0, offset);
  }

  csr(operation: "write" | "set" | "clear", source: "register" | "immediate"): void {
    const { code, i32, i64 } = this;
    const { state, remaining, context } = this.#vars;
    const { word } = this.#decoded;
    const address = FIELDS.csr.decode(word);
    const functions = this.#functions.csr;
    // Counters are read exactly: this instruction is off the budget, those after it in the block are not.
    i32.store(state.get(), i32.add(remaining.get(), this.#exits.left - 1), State.REMAINING);
    const isWritten = writesCsr(this.#decoded);
    const legal = code.call(
      functions.csrLegal,
      state.get(),
      i32.const(address),
      i32.const(isWritten ? 1 : 0),
    );
    this.#bailIf(i32.eqz(legal));
    const old = code.let64(code.call(functions.csrRead, state.get(), i32.const(address)));
    if (!isWritten) {
      this.setX(old.get());
      return;
    }
    const write = { write: functions.csrWrite, set: functions.csrSet, clear: functions.csrClear }[operation];
    const operand = code.let64(source === "register" ? this.x1() : this.immediate());
    code.call(write, state.get(), i32.const(address), operand.get());
    this.setX(old.get());
    context.set(i64.load(state.get(), State.DATA_CONTEXT));
    this.#vars.float.refresh();
    this.floatChecked = false;
    // An interrupt may have become possible.
    this.#exits.leaveBehind(this.#decoded, this.state32(State.ATTENTION));
  }

  // Instructions of these kinds end a region before they are reached.
  probeBlock(): void {
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
    this.#bailIf(condition);
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

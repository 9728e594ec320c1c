import { Access } from "@isomorph/mmu";
import type { Code, FunctionRef, I32, I64, Label, Var } from "@isomorph/wasm";
import { type Extent, hostAddress, type Located } from "../core/address-space.ts";
import { hostLoad, hostStore, SIZE_LOG2 } from "../core/soft-tlb.ts";
import { FIELDS } from "../isa/fields.ts";
import type { PureFunction } from "../isa/pure-function.ts";
import { type AccessSize, type AmoOperation, type FloatName, Semantics } from "../isa/semantics.ts";
import { State } from "../state.ts";
import { type AccessGroup, accessGroups, type Segment } from "./access-groups.ts";
import { type DecodedInstruction, writesCsr } from "./code-reader.ts";
import { exitSite } from "./exit-site.ts";
import { emitInlineFloat } from "./float-inline.ts";
import { emitNarrow, type Narrow, narrowAfter } from "./narrow.ts";
import type { CachedAccess, PageCache } from "./page-cache.ts";
import { guestAddress, type RegionFlow, type RegionFunctions, type RegionVars } from "./region-functions.ts";

/** Where an access is done: the host address, on the stack, and what is to be added to it. */
interface Place {
  readonly host: I32;
  readonly offset: number;
}

/** The same for the first byte of a group. */
interface GroupHost {
  readonly first: Var<"i32">;
  readonly offset: number;
}

const FS = 0x6000;

/** The instruction semantics with operands as constants and registers in variables. */
export class TranslatorSemantics extends Semantics {
  readonly #vars: RegionVars;
  readonly #bailLabel: Label;
  readonly #functions: RegionFunctions;
  readonly #flow: RegionFlow;
  readonly #isPatient: boolean;
  readonly #cache: PageCache;
  /** Pages of the block's accesses that are known. */
  pages: ReadonlyMap<DecodedInstruction, CachedAccess> | undefined;
  #current: DecodedInstruction | undefined;
  /** Registers whose variable may hold what the hart's block does not. */
  dirty = 0;
  #narrow: Narrow = 0;
  /** What `exitDirty` holds here, where that is known. */
  #exitDirty: number | undefined;
  /** Instructions of the block from the current one on. */
  #left = 0;
  /** The segment under way, if its groups were found in the TLB, and the host addresses of these. */
  #segment: Segment | undefined;
  #hosts: readonly GroupHost[] = [];
  /** Where the current instruction finds its operand then. */
  #access: { readonly group: number; readonly offset: number } | undefined;
  /** Whether the block has checked already that the FPU is on and dirty. */
  #floatChecked = false;

  /** @param isPatient - Whether accesses that miss the TLB are done here rather than by the interpreter. */
  constructor(
    code: Code,
    vars: RegionVars,
    bail: Label,
    functions: RegionFunctions,
    flow: RegionFlow,
    isPatient: boolean,
    cache: PageCache,
  ) {
    super(code);
    this.#cache = cache;
    this.#isPatient = isPatient;
    this.#vars = vars;
    this.#bailLabel = bail;
    this.#functions = functions;
    this.#flow = flow;
  }

  /** Emits the instructions of a block; a transfer at its end is not part of any segment. */
  emitBlock(instructions: readonly DecodedInstruction[]): void {
    this.#left = instructions.length;
    this.#floatChecked = false;
    this.#exitDirty = undefined;
    this.#narrow = 0;
    const last = instructions.at(-1) as DecodedInstruction;
    const body = instructions.length - (last.transfer === undefined ? 0 : 1);
    for (const segment of accessGroups(instructions, body)) {
      if (segment.groups.length === 0) this.#emit(instructions, segment.start, segment.end);
      else this.code.scope(() => this.#emitGrouped(instructions, segment));
    }
    this.#emit(instructions, body, instructions.length);
  }

  #emit(instructions: readonly DecodedInstruction[], start: number, end: number): void {
    for (let index = start; index < end; index++) {
      const current = instructions[index] as DecodedInstruction;
      this.#current = current;
      this.#access = this.#segment?.grouped.get(index);
      this.code.scope(() => this.#emitOne(current));
      this.#narrow = narrowAfter(current, this.#narrow);
      this.#left--;
    }
  }

  #emitOne(current: DecodedInstruction): void {
    // What an inline form leaves to the description is done under a condition.
    if (emitInlineFloat(this, this.#vars.float, current)) this.#forgetExit();
    else if (!emitNarrow(this, current, this.#narrow)) current.instruction.execute(this);
  }

  /**
   * Emits a segment with one check for each group. Where a check fails, the interpreter takes over; in a patient region
   * the segment comes again with a check for each access.
   */
  #emitGrouped(instructions: readonly DecodedInstruction[], segment: Segment): void {
    const { code } = this;
    const { start, end, groups } = segment;
    const emitFast = (failed?: Label): void => {
      this.#current = instructions[start];
      this.#hosts = groups.map((group) => this.#checkGroup(group, instructions[group.member], failed));
      this.#segment = segment;
      this.#emit(instructions, start, end);
      this.#segment = undefined;
    };
    if (!this.#isPatient) {
      emitFast();
      return;
    }
    const before = {
      dirty: this.dirty,
      narrow: this.#narrow,
      left: this.#left,
      floatChecked: this.#floatChecked,
    };
    const floatBefore = this.#vars.float.knowledge;
    code.block((done) => {
      code.block((failed) => {
        emitFast(failed);
        code.br(done);
      });
      this.dirty = before.dirty;
      this.#narrow = before.narrow;
      this.#left = before.left;
      this.#floatChecked = before.floatChecked;
      this.#vars.float.restore(floatBefore);
      this.#forgetExit();
      this.#emit(instructions, start, end);
    });
    this.#forgetExit();
  }

  /** The host address of a group's first byte. Goes to `failed`, or leaves, if it is not in the TLB. */
  #checkGroup(
    group: AccessGroup,
    member: DecodedInstruction | undefined,
    failed: Label | undefined,
  ): GroupHost {
    const { code, i64 } = this;
    const { register, from, reach, alignment, writes } = group;
    const first = code.let64(i64.add(this.#x(register), from));
    const access = writes ? Access.WRITE : Access.READ;
    const extent = { access, size: alignment, reach };
    const leave = (condition: I32): void => {
      if (failed === undefined) this.#bailIf(condition);
      else code.brIf(failed, condition, "unlikely");
    };
    const page = member === undefined ? undefined : this.pages?.get(member);
    if (page !== undefined)
      return { first: code.let32(this.#cachedHost(page, first, extent, leave)), offset: 0 };
    const { misses, host, offset } = this.#locate(first, extent);
    leave(misses());
    return { first: code.let32(host()), offset };
  }

  /** The host address of an access to a page that may be known. */
  #cachedHost(access: CachedAccess, va: Var<"i64">, extent: Extent, leave: (condition: I32) => void): I32 {
    // It leaves where the TLB was looked at, which is not always.
    const forgetAndLeave = (condition: I32): void => {
      this.#forgetExit();
      leave(condition);
    };
    const host = this.#cache.host(access, va, extent, () => this.#locate(va, extent), forgetAndLeave);
    this.#forgetExit();
    return host;
  }

  #locate(va: Var<"i64">, extent: Extent): Located {
    const { state, context } = this.#vars;
    return this.#functions.space.locate(this.code, state, va, extent, () => context.get());
  }

  get #decoded(): DecodedInstruction {
    return this.#current as DecodedInstruction;
  }

  /** Leaves so that the interpreter executes the current instruction, if the condition on the stack holds. */
  #bailIf(condition: I32): void {
    this.#leaveIf(condition, exitSite(this.#vars.page, this.#decoded.address, this.#left));
  }

  /** What is to be known at the exit is set before it is known whether it is taken: that costs translated code nothing. */
  #leaveIf(condition: I32, site: number): void {
    const { i32, code } = this;
    this.#vars.exitSite.set(i32.const(site));
    if (this.#exitDirty !== this.dirty) {
      this.#exitDirty = this.dirty;
      this.#vars.exitDirty.set(i32.const(this.dirty));
    }
    this.#vars.float.prepareExit();
    code.brIf(this.#bailLabel, condition, "unlikely");
  }

  /** After code that is not always executed. */
  #forgetExit(): void {
    this.#exitDirty = undefined;
    this.#vars.float.forgetExit();
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
    this.dirty |= this.#decoded.written;
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
    if (this.#floatChecked || this.#functions.space.flat !== undefined) return;
    this.#floatChecked = true;
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

  /** Where an access is done that needs nothing else; anything else is the interpreter's. */
  #host(va: Var<"i64">, size: AccessSize, access: number): Place {
    const { code, i32 } = this;
    const { state } = this.#vars;
    const page = this.pages?.get(this.#decoded);
    if (page !== undefined && !this.#isPatient) {
      return {
        host: this.#cachedHost(page, va, { access, size }, (condition) => this.#bailIf(condition)),
        offset: 0,
      };
    }
    const located = this.#locate(va, { access, size });
    if (!this.#isPatient) {
      this.#bailIf(located.misses());
      return { host: located.host(), offset: located.offset };
    }
    const host = code.var("i32");
    code.if(
      located.misses(),
      () => {
        const args = [state.get(), va.get(), i32.const(SIZE_LOG2[size]), i32.const(access)] as const;
        this.#bailIf(i32.eqz(host.tee(code.call(this.#functions.host, ...args))));
      },
      () => host.set(hostAddress(code, located)),
      "unlikely",
    );
    this.#forgetExit();
    return { host: host.get(), offset: 0 };
  }

  /** Host address of an access to RAM that must be aligned. */
  #alignedHost(va: Var<"i64">, size: AccessSize, access: number): I32 {
    const { code } = this;
    // The TLB finds only what is aligned.
    if (this.#functions.space.flat === undefined) return this.#host(va, size, access).host;
    const located = this.#locate(va, { access, size, isAtomic: true });
    this.#bailIf(located.misses());
    return hostAddress(code, located);
  }

  override address(): I64 {
    if (this.#access === undefined) return super.address();
    // The host address, in the place of the guest's.
    return (this.#hosts[this.#access.group] as GroupHost).first.get() as unknown as I64;
  }

  /** Where an access to the address on the stack goes: pushes a host address, and gives a constant to add. */
  place(address: I64, size: AccessSize, access: number): Place {
    if (this.#access !== undefined) return { host: address as unknown as I32, offset: this.#groupedOffset() };
    return this.#host(this.code.let64(address), size, access);
  }

  /** What is to be added to the host address of the group for the current access. */
  #groupedOffset(): number {
    const { group, offset } = this.#access as { group: number; offset: number };
    return offset + (this.#hosts[group] as GroupHost).offset;
  }

  load(address: I64, size: AccessSize, signed: boolean): I64 {
    const { host, offset } = this.place(address, size, Access.READ);
    return hostLoad(this.code, host, size, signed, offset);
  }

  store(address: I64, value: I64, size: AccessSize): void {
    const { code } = this;
    if (this.#access !== undefined) {
      hostStore(code, address as unknown as I32, value, size, this.#groupedOffset());
      return;
    }
    const stored = code.let64(value);
    const { host, offset } = this.#host(code.let64(address), size, Access.WRITE);
    hostStore(code, host, stored.get(), size, offset);
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
      const host = code.let32(this.#alignedHost(va, size, Access.WRITE));
      const expected = () => this.state64(State.RESERVED_VALUE);
      const succeeded = this.#functions.atomics.storeIf(code, host, expected, stored, size);
      failed.set(i64.extendI32U(this.i32.eqz(succeeded)));
    });
    this.#forgetExit();
    i64.store(this.#vars.state.get(), 0, State.RESERVATION);
    return failed.get();
  }

  amo(address: I64, value: I64, size: 4 | 8, operation: AmoOperation): I64 {
    const { code } = this;
    const operand = code.let64(value);
    const va = code.let64(address);
    const host = code.let32(this.#alignedHost(va, size, Access.WRITE));
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
    const host = code.let32(this.#alignedHost(va, 8, Access.WRITE));
    for (let offset = 0; offset < 64; offset += 8) i64.store(host.get(), 0, offset);
  }

  csr(operation: "write" | "set" | "clear", source: "register" | "immediate"): void {
    const { code, i32, i64 } = this;
    const { state, remaining, context } = this.#vars;
    const { word } = this.#decoded;
    const address = FIELDS.csr.decode(word);
    const functions = this.#functions.csr;
    // Counters are read exactly: this instruction is off the budget, those after it in the block are not.
    i32.store(state.get(), i32.add(remaining.get(), this.#left - 1), State.REMAINING);
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
    this.#floatChecked = false;
    // An interrupt may have become possible.
    const { address: here, length } = this.#decoded;
    this.#leaveIf(this.state32(State.ATTENTION), exitSite(this.#vars.page, here + length, this.#left - 1));
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

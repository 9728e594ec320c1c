import type { SnapshotState, VmExit } from "@isomorph/interface";
import { Access, PROBE } from "@isomorph/mmu";
import { hartCounters, regionInstructions } from "../counters.ts";
import { csrName, prepareSupervisor, resetCsrs } from "../csr/index.ts";
import { Exit } from "../interpreter/semantics.ts";
import type { Hart, PrivilegeMode } from "../processor.ts";
import { State } from "../state.ts";
import type { Translator } from "../translator/translator.ts";
import { setLine } from "../trap/interrupt-lines.ts";
import { type CoreExports, CSR_ISA } from "./core-module.ts";
import { restoreHart, saveHart } from "./snapshot.ts";

const EXITS: readonly VmExit[] = ["budget", "wait", "firmware-call", "trap-loop", "requested"];
const MAX_BUDGET = 2 ** 30 - 1;

/** What a hart needs from its machine. */
export interface HartEnvironment {
  readonly id: number;
  /** Host address of the hart's block. */
  readonly state: number;
  readonly buffer: ArrayBufferLike;
  /** From host address to GPA, undefined outside RAM. */
  readonly toGpa: (host: number) => number | undefined;
  readonly firmware: "vmm" | "guest";
  readonly core: CoreExports;
  readonly translator: Translator;
}

/** A hart on the core module. */
export class CoreHart implements Hart {
  readonly id: number;
  readonly #env: HartEnvironment;
  readonly #core: CoreExports;
  readonly #view: DataView;
  readonly #state: number;
  readonly #exits: Record<VmExit, number> = {
    budget: 0,
    wait: 0,
    "firmware-call": 0,
    "trap-loop": 0,
    requested: 0,
  };
  #hotBlocks = 0;
  /** Instructions retired by the calls of `run` that have returned. */
  #executed = 0;
  /** `instructionsRetired` when the call under way began. */
  #began: number | undefined;

  constructor(env: HartEnvironment) {
    this.id = env.id;
    this.#env = env;
    this.#core = env.core;
    this.#state = env.state;
    this.#view = new DataView(env.buffer);
  }

  /** Host address of the hart's block. */
  protected get stateAddress(): number {
    return this.#state;
  }

  run(budget: number): VmExit {
    if (!Number.isInteger(budget) || budget < 1 || budget > MAX_BUDGET) {
      throw new RangeError(`budget ${budget} is not an integer from 1 to 2^30 - 1`);
    }
    this.#putNumber(State.RETIRED_LIMIT, this.instructionsRetired + budget);
    this.#put32(State.REMAINING, budget);
    this.#put32(State.ATTENTION, 1);
    this.#core.updateTimer(this.#state);
    this.#began = this.instructionsRetired;
    try {
      const exit = this.#run();
      this.#exits[exit]++;
      return exit;
    } finally {
      this.#executed += this.instructionsRetired - this.#began;
      this.#began = undefined;
    }
  }

  #run(): VmExit {
    const { translator } = this.#env;
    translator.flush();
    for (;;) {
      this.#core.run(this.#state);
      const exit = this.#get32(State.EXIT);
      if (exit !== Exit.HOT_BLOCK) return EXITS[exit] ?? "budget";
      this.#hotBlocks++;
      translator.translate(this.#get32(State.HOT_BLOCK), this.#nextPage());
    }
  }

  /** Host address of the page that follows that of the program counter, if it may be executed; changes nothing. */
  #nextPage(): number | undefined {
    const next = BigInt.asIntN(64, (this.pc & -4096n) + 4096n);
    const host = this.#core.host(this.#state, next, 1, Access.FETCH | PROBE) >>> 0;
    this.#put32(State.FAULT, 0);
    return host === 0 ? undefined : host;
  }

  /** Event counters since the hart was made. */
  counters(): Record<string, number> {
    const underWay = this.#began === undefined ? 0 : this.instructionsRetired - this.#began;
    const inRegions = regionInstructions(this.#view, this.#state);
    return {
      instructionsInterpreted: this.#executed + underWay - inRegions,
      instructionsInRegions: inRegions,
      exitsBudget: this.#exits.budget,
      exitsWait: this.#exits.wait,
      exitsFirmwareCall: this.#exits["firmware-call"],
      exitsTrapLoop: this.#exits["trap-loop"],
      exitsRequested: this.#exits.requested,
      exitsHotBlock: this.#hotBlocks,
      ...hartCounters(this.#view, this.#state),
    };
  }

  setInterrupt(cause: number, level: boolean): void {
    setLine(this.#view, this.#state, cause, level);
  }

  requestExit(): void {
    this.#put32(State.EXIT_REQUESTED, 1);
    this.#put32(State.ATTENTION, 1);
  }

  get pc(): bigint {
    return this.#get64(State.PC);
  }
  set pc(value: bigint) {
    this.#put64(State.PC, value);
  }

  get mode(): PrivilegeMode {
    return this.#get32(State.MODE) as PrivilegeMode;
  }
  set mode(value: PrivilegeMode) {
    this.#put32(State.MODE, value);
    this.#core.contextsChanged(this.#state);
  }

  readRegister(index: number): bigint {
    return this.#get64(State.X + 8 * registerIndex(index));
  }
  writeRegister(index: number, value: bigint): void {
    if (registerIndex(index) !== 0) this.#put64(State.X + 8 * index, value);
  }
  registerAsNumber(index: number): number {
    const at = this.#state + State.X + 8 * registerIndex(index);
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }
  readFloatRegister(index: number): bigint {
    return this.#get64(State.F + 8 * registerIndex(index));
  }
  writeFloatRegister(index: number, value: bigint): void {
    this.#put64(State.F + 8 * registerIndex(index), value);
  }

  readCsr(address: number): bigint {
    requireCsr(address);
    return BigInt.asUintN(64, this.#core.csrInspect(this.#state, address));
  }
  writeCsr(address: number, value: bigint): void {
    requireCsr(address);
    this.#core.csrWrite(this.#state, address, value);
  }

  get instructionsRetired(): number {
    return this.#getNumber(State.RETIRED_LIMIT) - this.#get32(State.REMAINING);
  }

  get timerDeadline(): number {
    const ticks = this.#getNumber(State.STIMECMP);
    return ticks >= 2 ** 63 ? Number.POSITIVE_INFINITY : ticks;
  }
  setTimer(deadline: number): void {
    this.#put64(
      State.STIMECMP,
      deadline >= 2 ** 63 ? 2n ** 64n - 1n : BigInt(Math.max(0, Math.floor(deadline))),
    );
    this.#core.updateTimer(this.#state);
  }

  get interruptPending(): boolean {
    this.#core.updateTimer(this.#state);
    return (this.#get32(State.MIP) & this.#get32(State.MIE)) !== 0;
  }

  fence(kind: "instruction" | "address-translation"): void {
    // Stores drop the translations of the code they change at once, so there is nothing to do for instructions.
    if (kind === "address-translation") this.#core.flushAll(this.#state);
  }

  reset({ pc, a0, a1 }: { pc: number; a0: number; a1: number }): void {
    const { firmware } = this.#env;
    const retired = this.instructionsRetired;
    new Uint8Array(this.#env.buffer, this.#state + State.X, 512).fill(0);
    resetCsrs(this.#view, this.#state, { mode: firmware === "vmm" ? 1 : 3, hart: this.id });
    if (firmware === "vmm") prepareSupervisor(this.#view, this.#state);
    this.#putNumber(State.RETIRED_LIMIT, retired);
    this.#put32(State.REMAINING, 0);
    this.#put32(State.EXIT_REQUESTED, 0);
    this.pc = BigInt(pc);
    this.writeRegister(10, BigInt(a0));
    this.writeRegister(11, BigInt(a1));
    this.#translationChanged();
  }

  #translationChanged(): void {
    this.#core.pmpChanged(this.#state);
    this.#core.flushAll(this.#state);
    this.#core.contextsChanged(this.#state);
  }

  translate(gva: bigint): number | undefined {
    const host = this.#core.host(this.#state, gva, 0, Access.READ);
    this.#put32(State.FAULT, 0);
    return host === 0 ? undefined : this.#env.toGpa(host);
  }

  save(): SnapshotState {
    return saveHart(this.#view, this.#state);
  }
  restore(state: SnapshotState): void {
    restoreHart(this.#view, this.#state, state, CSR_ISA);
    this.#translationChanged();
  }

  #get32(offset: number): number {
    return this.#view.getUint32(this.#state + offset, true);
  }
  #put32(offset: number, value: number): void {
    this.#view.setUint32(this.#state + offset, value, true);
  }
  #get64(offset: number): bigint {
    return this.#view.getBigUint64(this.#state + offset, true);
  }
  #put64(offset: number, value: bigint): void {
    this.#view.setBigUint64(this.#state + offset, value, true);
  }
  /** Unsigned 64-bit field, exact up to 2^53. */
  #getNumber(offset: number): number {
    const at = this.#state + offset;
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }
  #putNumber(offset: number, value: number): void {
    const at = this.#state + offset;
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}

function registerIndex(index: number): number {
  if (!Number.isInteger(index) || index < 0 || index > 31)
    throw new RangeError(`no register has number ${index}`);
  return index;
}

function requireCsr(address: number): void {
  if (csrName(address) === undefined) throw new RangeError(`no CSR has address ${address}`);
}

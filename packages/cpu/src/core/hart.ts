import type { SnapshotState, VmExit } from "@isomorph/interface";
import { Access, type MachineMemory, PROBE } from "@isomorph/mmu";
import { hartCounters, regionInstructions } from "../counters.ts";
import { csrName, prepareSupervisor, resetCsrs } from "../csr/index.ts";
import { Exit } from "../interpreter/semantics.ts";
import type { Hart, PrivilegeMode } from "../processor.ts";
import { State } from "../state.ts";
import type { Translator } from "../translator/translator.ts";
import { setLine } from "../trap/interrupt-lines.ts";
import { type CoreExports, CSR_ISA } from "./core-module.ts";
import { HartState } from "./hart-state.ts";
import { restoreHart, saveHart } from "./snapshot.ts";

const EXITS: readonly VmExit[] = ["budget", "wait", "firmware-call", "trap-loop", "requested"];

/** What a hart needs from its machine. */
export interface HartEnvironment {
  readonly id: number;
  /** Address of the hart's block. */
  readonly state: number;
  readonly memory: MachineMemory;
  readonly firmware: "vmm" | "guest";
  readonly core: CoreExports;
  readonly translator: Translator;
}

/** A hart on the core module. */
export class CoreHart extends HartState implements Hart {
  readonly id: number;
  readonly #env: HartEnvironment;
  readonly #core: CoreExports;
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
    super(env.memory, env.state);
    this.id = env.id;
    this.#env = env;
    this.#core = env.core;
  }

  run(budget: number): VmExit {
    this.begin(budget);
    this.#core.updateTimer(this.stateAddress);
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
      this.#core.run(this.stateAddress);
      const exit = this.get32(State.EXIT);
      if (exit !== Exit.HOT_BLOCK) return EXITS[exit] ?? "budget";
      this.#hotBlocks++;
      translator.translate(this.getHost("HOT_BLOCK"), this.#nextPage());
    }
  }

  /** Host address of the page that follows that of the program counter, if it may be executed; changes nothing. */
  #nextPage(): number | undefined {
    const next = BigInt.asIntN(64, (this.pc & -4096n) + 4096n);
    return this.#resolve(next, 1, Access.FETCH | PROBE);
  }

  /** The host address for an access of the hart that may be done there. */
  #resolve(gva: bigint, sizeLog2: number, access: number): number | undefined {
    const found = this.#core.host(this.stateAddress, gva, sizeLog2, access);
    this.put32(State.FAULT, 0);
    const host = this.#env.memory.host.toNumber(found);
    return host === 0 ? undefined : host;
  }

  /** Event counters since the hart was made. */
  counters(): Record<string, number> {
    const underWay = this.#began === undefined ? 0 : this.instructionsRetired - this.#began;
    const inRegions = regionInstructions(this.view, this.stateAddress);
    return {
      instructionsInterpreted: this.#executed + underWay - inRegions,
      instructionsInRegions: inRegions,
      exitsBudget: this.#exits.budget,
      exitsWait: this.#exits.wait,
      exitsFirmwareCall: this.#exits["firmware-call"],
      exitsTrapLoop: this.#exits["trap-loop"],
      exitsRequested: this.#exits.requested,
      exitsHotBlock: this.#hotBlocks,
      ...hartCounters(this.view, this.stateAddress),
    };
  }

  setInterrupt(cause: number, level: boolean): void {
    setLine(this.view, this.stateAddress, cause, level);
  }

  get mode(): PrivilegeMode {
    return this.get32(State.MODE) as PrivilegeMode;
  }
  set mode(value: PrivilegeMode) {
    this.put32(State.MODE, value);
    this.#core.contextsChanged(this.stateAddress);
  }

  readCsr(address: number): bigint {
    requireCsr(address);
    return BigInt.asUintN(64, this.#core.csrInspect(this.stateAddress, address));
  }
  writeCsr(address: number, value: bigint): void {
    requireCsr(address);
    this.#core.csrWrite(this.stateAddress, address, value);
  }

  get timerDeadline(): number {
    const ticks = this.getNumber(State.STIMECMP);
    return ticks >= 2 ** 63 ? Number.POSITIVE_INFINITY : ticks;
  }
  setTimer(deadline: number): void {
    this.put64(
      State.STIMECMP,
      deadline >= 2 ** 63 ? 2n ** 64n - 1n : BigInt(Math.max(0, Math.floor(deadline))),
    );
    this.#core.updateTimer(this.stateAddress);
  }

  get interruptPending(): boolean {
    this.#core.updateTimer(this.stateAddress);
    return (this.get32(State.MIP) & this.get32(State.MIE)) !== 0;
  }

  fence(kind: "instruction" | "address-translation"): void {
    // Stores drop the translations of the code they change at once, so there is nothing to do for instructions.
    if (kind === "address-translation") this.#core.flushAll(this.stateAddress);
  }

  reset({ pc, a0, a1 }: { pc: number; a0: number; a1: number }): void {
    const { firmware } = this.#env;
    const retired = this.instructionsRetired;
    new Uint8Array(this.view.buffer, this.stateAddress + State.X, 512).fill(0);
    resetCsrs(this.view, this.stateAddress, { mode: firmware === "vmm" ? 1 : 3, hart: this.id });
    if (firmware === "vmm") prepareSupervisor(this.view, this.stateAddress);
    this.putNumber(State.RETIRED_LIMIT, retired);
    this.put32(State.REMAINING, 0);
    this.put32(State.EXIT_REQUESTED, 0);
    this.pc = BigInt(pc);
    this.writeRegister(10, BigInt(a0));
    this.writeRegister(11, BigInt(a1));
    this.#translationChanged();
  }

  #translationChanged(): void {
    this.#core.pmpChanged(this.stateAddress);
    this.#core.flushAll(this.stateAddress);
    this.#core.contextsChanged(this.stateAddress);
  }

  translate(gva: bigint): number | undefined {
    const host = this.#resolve(gva, 0, Access.READ);
    const { base, ramOffset } = this.#env.memory;
    return host === undefined ? undefined : host - ramOffset + base;
  }

  save(): SnapshotState {
    return saveHart(this.view, this.stateAddress);
  }
  restore(state: SnapshotState): void {
    restoreHart(this.view, this.stateAddress, state, CSR_ISA);
    this.#translationChanged();
  }
}

function requireCsr(address: number): void {
  if (csrName(address) === undefined) throw new RangeError(`no CSR has address ${address}`);
}

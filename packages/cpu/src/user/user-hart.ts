import type { MachineMemory } from "@isomorph/mmu";
import type { CoreExports } from "../core/core-module.ts";
import { HartState } from "../core/hart-state.ts";
import { hartCounters, regionInstructions } from "../counters.ts";
import { resetCsrs } from "../csr/index.ts";
import { Menvcfg } from "../csr/table.ts";
import { Exit } from "../interpreter/semantics.ts";
import { State } from "../state.ts";
import type { Translator } from "../translator/translator.ts";
import type { UserExit, UserHart } from "./user-processor.ts";

/** What a hart in user mode needs from its processor. */
export interface UserHartEnvironment {
  readonly id: number;
  /** Address of the hart's block. */
  readonly state: number;
  readonly memory: MachineMemory;
  readonly core: Pick<CoreExports, "run">;
  readonly translator: Translator;
}

/** `mstatus.FS`: the FPU is on, and stays so. */
const FS_DIRTY = 0x6000n;

/** Instructions between two calls of the translator while something waits to be translated. */
const SLICE = 20_000;

/** A hart on a core module made for a flat address space. */
export class CoreUserHart extends HartState implements UserHart {
  readonly id: number;
  readonly #core: Pick<CoreExports, "run">;
  readonly #translator: Translator;
  readonly #exits: Record<UserExit, number> = { trap: 0, budget: 0, requested: 0 };
  #hotBlocks = 0;
  /** What is kept back of the budget of the call under way, so that translations do not wait for its end. */
  #held = 0;
  /** Instructions executed, those that trapped included. */
  #executed = 0;

  constructor({ id, state, memory, core, translator }: UserHartEnvironment) {
    super(memory, state);
    this.id = id;
    this.#core = core;
    this.#translator = translator;
    resetCsrs(this.view, state, { mode: 0, hart: id });
    this.put64(State.MSTATUS, this.get64(State.MSTATUS) | FS_DIRTY);
    // What operating systems let programs do: read counters, zero blocks.
    for (const enable of [State.MCOUNTEREN, State.SCOUNTEREN]) this.put64(enable, 7n);
    for (const configuration of [State.MENVCFG, State.SENVCFG]) this.put64(configuration, Menvcfg.CBZE);
  }

  override get pc(): bigint {
    return super.pc;
  }
  override set pc(value: bigint) {
    if ((value & 1n) !== 0n) throw new RangeError(`pc ${value} is odd`);
    super.pc = value;
  }

  get fcsr(): number {
    return (this.get32(State.FRM) << 5) | this.get32(State.FFLAGS);
  }
  set fcsr(value: number) {
    this.put32(State.FRM, (value >>> 5) & 7);
    this.put32(State.FFLAGS, value & 31);
  }

  get trapCause(): number {
    return this.get32(State.SCAUSE);
  }
  get trapValue(): bigint {
    return this.get64(State.STVAL);
  }

  run(budget: number): UserExit {
    this.begin(budget);
    this.#held = 0;
    const exit = this.#run();
    this.#executed += budget - this.get32(State.REMAINING) - this.#held;
    this.#exits[exit]++;
    return exit;
  }

  #run(): UserExit {
    const translator = this.#translator;
    translator.flush();
    this.#holdBack();
    for (;;) {
      this.#core.run(this.stateAddress);
      switch (this.get32(State.EXIT)) {
        case Exit.HOT_BLOCK:
          this.#hotBlocks++;
          translator.translate(this.getHost("HOT_BLOCK"), undefined);
          this.#holdBack();
          break;
        case Exit.FENCE_INSTRUCTION:
          translator.dropChanged();
          break;
        case Exit.TRAP:
          return "trap";
        case Exit.REQUESTED:
          return "requested";
        default:
          if (this.#held === 0) return "budget";
          translator.flush();
          this.#addBudget(this.#held);
          this.#held = 0;
          this.#holdBack();
      }
    }
  }

  /** Shortens the slice while something waits to be translated. */
  #holdBack(): void {
    const remaining = this.get32(State.REMAINING);
    if (!this.#translator.isWaiting || remaining <= SLICE) return;
    this.#held += remaining - SLICE;
    this.#addBudget(SLICE - remaining);
  }

  #addBudget(instructions: number): void {
    this.putNumber(State.RETIRED_LIMIT, this.getNumber(State.RETIRED_LIMIT) + instructions);
    this.put32(State.REMAINING, this.get32(State.REMAINING) + instructions);
  }

  fenceInstruction(): void {
    this.#translator.dropChanged();
  }

  /** Event counters since the hart was made. */
  counters(): Record<string, number> {
    const inRegions = regionInstructions(this.view, this.stateAddress);
    return {
      instructionsInterpreted: this.#executed - inRegions,
      instructionsInRegions: inRegions,
      exitsBudget: this.#exits.budget,
      exitsRequested: this.#exits.requested,
      exitsHotBlock: this.#hotBlocks,
      ...hartCounters(this.view, this.stateAddress),
    };
  }
}

import type { MachineMemory } from "@isomorph/mmu";
import { State } from "../state.ts";
import { type HostFields, hostFields } from "./host-fields.ts";

/** Instructions that a call of `run` may execute. */
const MAX_BUDGET = 2 ** 30 - 1;

/** A hart's block as JavaScript reads and writes it between two calls of `run`. */
export class HartState {
  readonly #view: DataView;
  readonly #state: number;
  readonly #hostFields: HostFields;

  /** @param state - Address of the block. */
  constructor({ memories, host }: MachineMemory, state: number) {
    this.#view = new DataView(memories.memory.buffer);
    this.#state = state;
    this.#hostFields = hostFields(host);
  }

  /** Address of the hart's block in memory 0. */
  protected get stateAddress(): number {
    return this.#state;
  }

  protected get view(): DataView {
    return this.#view;
  }

  get pc(): bigint {
    return this.get64(State.PC);
  }
  set pc(value: bigint) {
    this.put64(State.PC, value);
  }

  readRegister(index: number): bigint {
    return this.get64(State.X + 8 * registerIndex(index));
  }
  writeRegister(index: number, value: bigint): void {
    if (registerIndex(index) !== 0) this.put64(State.X + 8 * index, value);
  }
  registerAsNumber(index: number): number {
    const at = this.#state + State.X + 8 * registerIndex(index);
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }
  readFloatRegister(index: number): bigint {
    return this.get64(State.F + 8 * registerIndex(index));
  }
  writeFloatRegister(index: number, value: bigint): void {
    this.put64(State.F + 8 * registerIndex(index), value);
  }

  get instructionsRetired(): number {
    return this.getNumber(State.RETIRED_LIMIT) - this.get32(State.REMAINING);
  }

  requestExit(): void {
    this.put32(State.EXIT_REQUESTED, 1);
    this.put32(State.ATTENTION, 1);
  }

  /** Prepares a call of `run`. Throws a RangeError for a budget that cannot be. */
  protected begin(budget: number): void {
    if (!Number.isInteger(budget) || budget < 1 || budget > MAX_BUDGET) {
      throw new RangeError(`budget ${budget} is not an integer from 1 to 2^30 - 1`);
    }
    this.putNumber(State.RETIRED_LIMIT, this.instructionsRetired + budget);
    this.put32(State.REMAINING, budget);
    this.put32(State.ATTENTION, 1);
  }

  protected get32(offset: number): number {
    return this.#view.getUint32(this.#state + offset, true);
  }
  protected put32(offset: number, value: number): void {
    this.#view.setUint32(this.#state + offset, value, true);
  }
  /** A host address. */
  protected getHost(field: keyof HostFields): number {
    const offset = this.#hostFields[field];
    return this.#hostFields.SIZE === 8 ? this.getNumber(offset) : this.get32(offset);
  }
  protected get64(offset: number): bigint {
    return this.#view.getBigUint64(this.#state + offset, true);
  }
  protected put64(offset: number, value: bigint): void {
    this.#view.setBigUint64(this.#state + offset, value, true);
  }
  /** Unsigned 64-bit field, exact up to 2^53. */
  protected getNumber(offset: number): number {
    const at = this.#state + offset;
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }
  protected putNumber(offset: number, value: number): void {
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

import type { IrqLine, MmioDevice, SnapshotState, Snapshottable } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { checkVersion, integersField } from "../snapshot.ts";

/**
 * The machine-level software interrupt device of RISC-V ACLINT 1.0-rc4, chapter 3: one 32-bit `msip` register a
 * hart, whose lowest bit drives the hart's software interrupt (`mip.MSIP`). At most 4095 harts.
 */
export class Mswi implements MmioDevice, Snapshottable {
  readonly #lines: readonly IrqLine[];
  readonly #pending: Uint8Array;
  #sent = 0;

  constructor(lines: readonly IrqLine[]) {
    if (lines.length < 1 || lines.length > 4095) {
      throw new RangeError(`mswi: ${lines.length} harts is not from 1 to 4095`);
    }
    this.#lines = lines;
    this.#pending = new Uint8Array(lines.length);
  }

  mmioRead(offset: number): number {
    return (offset & 3) === 0 ? (this.#pending[offset >>> 2] ?? 0) : 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (size === 4) this.#set(offset >>> 2, value & 1);
  }

  reset(): void {
    for (let hart = 0; hart < this.#pending.length; hart++) this.#set(hart, 0);
  }

  save(): SnapshotState {
    return { version: 1, msip: [...this.#pending] };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "mswi");
    const msip = integersField(state, "msip", this.#pending.length, 1);
    for (let hart = 0; hart < this.#pending.length; hart++) this.#set(hart, msip[hart] ?? 0);
  }

  /** `sent`: interrupts raised. */
  counters(): Counters {
    return { sent: this.#sent };
  }

  #set(hart: number, level: number): void {
    if (hart >= this.#pending.length || this.#pending[hart] === level) return;
    this.#pending[hart] = level;
    this.#sent += level;
    this.#lines[hart]?.set(level === 1);
  }
}

/**
 * The supervisor-level software interrupt device of RISC-V ACLINT 1.0-rc4, chapter 4: one 32-bit `setssip` register
 * a hart, which reads as zero; writing a 1 to its lowest bit calls `raise(hart)`. That is an edge: the hart sets
 * `mip.SSIP`, and software clears it there.
 */
export class Sswi implements MmioDevice, Snapshottable {
  readonly #harts: number;
  readonly #raise: (hart: number) => void;
  #sent = 0;

  constructor(harts: number, raise: (hart: number) => void) {
    if (!Number.isInteger(harts) || harts < 1 || harts > 4095) {
      throw new RangeError(`sswi: ${harts} harts is not from 1 to 4095`);
    }
    this.#harts = harts;
    this.#raise = raise;
  }

  mmioRead(): number {
    return 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (size !== 4 || (value & 1) === 0 || offset >>> 2 >= this.#harts) return;
    this.#sent++;
    this.#raise(offset >>> 2);
  }

  reset(): void {}

  save(): SnapshotState {
    return { version: 1 };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "sswi");
  }

  /** `sent`: interrupts raised. */
  counters(): Counters {
    return { sent: this.#sent };
  }
}

import type { Clock, IrqLine, MmioDevice, MmioSize, SnapshotState, Snapshottable } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { bigintField, checkVersion, integersField } from "../snapshot.ts";

const TWO32 = 0x1_0000_0000;
const MASK64 = 0xffff_ffff_ffff_ffffn;

/** What an {@link Mtimer} is made of. */
export interface MtimerOptions {
  /** Where `mtime` comes from. */
  readonly clock: Clock;
  /** The timer interrupt of each hart (`mip.MTIP`). The count of lines is the count of harts, at most 4095. */
  readonly lines: readonly IrqLine[];
}

/**
 * The machine-level timer device of RISC-V ACLINT 1.0-rc4, chapter 2: `mtime`, and `mtimecmp` for each hart.
 *
 * It has no timer of its own: whoever drives the machine calls {@link Mtimer.poll} and may sleep until
 * {@link Mtimer.nextDeadline}. It is the machine's {@link Clock} as well: `now()` is `mtime`, moved by what the guest
 * wrote there, so a hart's `time` CSR reads the same.
 */
export class Mtimer implements Clock, Snapshottable {
  readonly frequency: number;
  readonly #clock: Clock;
  readonly #lines: readonly IrqLine[];
  /** mtimecmp: low and high word for each hart. */
  readonly #compare: Uint32Array;
  /** mtimecmp in ticks of the clock, for comparison with `clock.now()`. */
  readonly #deadlines: Float64Array;
  readonly #levels: Uint8Array;
  /** mtime is `clock.now() + offset`, modulo 2^64; zero unless the guest wrote mtime. */
  #offset = 0n;
  #expirations = 0;

  constructor(options: MtimerOptions) {
    const harts = options.lines.length;
    if (harts < 1 || harts > 4095) throw new RangeError(`mtimer: ${harts} harts is not from 1 to 4095`);
    this.#clock = options.clock;
    this.frequency = options.clock.frequency;
    this.#lines = options.lines;
    this.#compare = new Uint32Array(harts * 2);
    this.#deadlines = new Float64Array(harts);
    this.#levels = new Uint8Array(harts);
    this.reset();
  }

  /** `mtime`; exact up to 2^53. */
  now(): number {
    const now = this.#clock.now();
    return this.#offset === 0n ? now : Number((BigInt(now) + this.#offset) & MASK64);
  }

  /** Base-clock tick at which `hart`'s interrupt becomes pending; Infinity when the clock never gets there. */
  nextDeadline(hart: number): number {
    return this.#deadlines[hart] ?? Number.POSITIVE_INFINITY;
  }

  /** Drives every interrupt line for base-clock tick `now`. */
  poll(now: number): void {
    for (let hart = 0; hart < this.#levels.length; hart++) this.#update(hart, now);
  }

  /** Register block MTIMECMP: 8 bytes a hart. */
  readonly compareRegisters: MmioDevice = {
    mmioRead: (offset, size) => {
      const word = this.#compare[offset >>> 2] ?? 0;
      return part(word, offset, size);
    },
    mmioWrite: (offset, size, value) => {
      if (size !== 4 || offset >>> 2 >= this.#compare.length) return;
      this.#compare[offset >>> 2] = value;
      this.#rearm(offset >>> 3);
    },
    mmioRead64: (offset) => {
      const index = offset >>> 2;
      return (BigInt(this.#compare[index + 1] ?? 0) << 32n) | BigInt(this.#compare[index] ?? 0);
    },
    mmioWrite64: (offset, value) => {
      const index = offset >>> 2;
      if (index >= this.#compare.length) return;
      this.#compare[index] = Number(value & 0xffff_ffffn);
      this.#compare[index + 1] = Number(value >> 32n);
      this.#rearm(offset >>> 3);
    },
  };

  /** Register block MTIME: 8 bytes. */
  readonly timeRegister: MmioDevice = {
    mmioRead: (offset, size) => {
      if (offset > 7) return 0;
      if (this.#offset === 0n) {
        const now = this.#clock.now();
        return part(offset < 4 ? now % TWO32 : Math.floor(now / TWO32), offset, size);
      }
      return part(Number((this.#time() >> (offset < 4 ? 0n : 32n)) & 0xffff_ffffn), offset, size);
    },
    mmioWrite: (offset, size, value) => {
      if (size !== 4 || offset > 7) return;
      const old = this.#time();
      const low = offset < 4 ? BigInt(value) : old & 0xffff_ffffn;
      const high = offset < 4 ? old >> 32n : BigInt(value);
      this.#setTime((high << 32n) | low);
    },
    mmioRead64: (offset) => (offset === 0 ? this.#time() : 0n),
    mmioWrite64: (offset, value) => {
      if (offset === 0) this.#setTime(value);
    },
  };

  /** Power-on: `mtime` follows the clock again, every `mtimecmp` is all ones. */
  reset(): void {
    this.#offset = 0n;
    this.#compare.fill(0xffffffff);
    for (let hart = 0; hart < this.#levels.length; hart++) this.#rearm(hart);
  }

  save(): SnapshotState {
    return { version: 1, offset: this.#offset, mtimecmp: [...this.#compare] };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "mtimer");
    const offset = bigintField(state, "offset");
    const compare = integersField(state, "mtimecmp", this.#compare.length);
    if (compare.length !== this.#compare.length) {
      throw new TypeError(`mtimer: snapshot has ${compare.length / 2} harts, not ${this.#levels.length}`);
    }
    this.#offset = BigInt.asUintN(64, offset);
    this.#compare.set(compare);
    for (let hart = 0; hart < this.#levels.length; hart++) this.#rearm(hart);
  }

  /** `expirations`: times that an interrupt became pending. */
  counters(): Counters {
    return { expirations: this.#expirations };
  }

  #time(): bigint {
    return (BigInt(this.#clock.now()) + this.#offset) & MASK64;
  }

  #setTime(value: bigint): void {
    this.#offset = (value - BigInt(this.#clock.now())) & MASK64;
    for (let hart = 0; hart < this.#levels.length; hart++) this.#rearm(hart);
  }

  #rearm(hart: number): void {
    const low = this.#compare[hart * 2] as number;
    const high = this.#compare[hart * 2 + 1] as number;
    const now = this.#clock.now();
    let deadline = high * TWO32 + low;
    if (this.#offset !== 0n) {
      const ahead = ((BigInt(high) << 32n) | BigInt(low)) - this.#time();
      deadline = ahead <= 0n ? now : now + Number(ahead);
    }
    // The clock counts exactly only below 2^53, so it never gets there.
    this.#deadlines[hart] = deadline > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : deadline;
    this.#update(hart, now);
  }

  #update(hart: number, now: number): void {
    const level = now >= (this.#deadlines[hart] as number) ? 1 : 0;
    if (level === this.#levels[hart]) return;
    this.#levels[hart] = level;
    this.#expirations += level;
    this.#lines[hart]?.set(level === 1);
  }
}

function part(word: number, offset: number, size: MmioSize): number {
  if (size === 4) return word >>> 0;
  const shifted = word >>> ((offset & 3) * 8);
  return size === 1 ? shifted & 0xff : shifted & 0xffff;
}

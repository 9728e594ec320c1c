import type { Clock, IrqLine, MmioSize, PlatformDevice, SnapshotState } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { checkVersion, stateField } from "../snapshot.ts";
import { Mtimer } from "./mtimer.ts";
import { Mswi } from "./software-interrupt.ts";

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;
const END = 0xc000;

/** What a {@link Clint} is made of. */
export interface ClintOptions {
  readonly clock: Clock;
  /** Machine software interrupt of each hart (`mip.MSIP`, cause 3). */
  readonly software: readonly IrqLine[];
  /** Machine timer interrupt of each hart (`mip.MTIP`, cause 7). As many as `software`. */
  readonly timer: readonly IrqLine[];
}

/**
 * MSWI and MTIMER of RISC-V ACLINT in one region of 64 KiB, laid out as SiFive's CLINT: `msip` at 0, `mtimecmp` at
 * 0x4000, `mtime` at 0xbff8 (ACLINT 1.0-rc4, section 1.1). `compatible` names the CLINT, which older firmware knows.
 * The machine adds `interrupts-extended` to its node: for each hart its local interrupts 3 and 7.
 */
export class Clint implements PlatformDevice {
  readonly bus = "platform";
  readonly size: number = 0x10000;
  readonly nodeName: string = "clint";
  readonly devicetree: PlatformDevice["devicetree"] = { compatible: ["sifive,clint0", "riscv,clint0"] };
  readonly interrupts: boolean = false;
  readonly mswi: Mswi;
  readonly mtimer: Mtimer;

  constructor(options: ClintOptions) {
    if (options.software.length !== options.timer.length) {
      throw new RangeError(
        `clint: ${options.software.length} software interrupts, ${options.timer.length} timer interrupts`,
      );
    }
    this.mswi = new Mswi(options.software);
    this.mtimer = new Mtimer({ clock: options.clock, lines: options.timer });
  }

  mmioRead(offset: number, size: MmioSize): number {
    if (offset < MTIMECMP) return this.mswi.mmioRead(offset);
    if (offset < MTIME) return this.mtimer.compareRegisters.mmioRead(offset - MTIMECMP, size);
    return offset < END ? this.mtimer.timeRegister.mmioRead(offset - MTIME, size) : 0;
  }

  mmioWrite(offset: number, size: MmioSize, value: number): void {
    if (offset < MTIMECMP) this.mswi.mmioWrite(offset, size, value);
    else if (offset < MTIME) this.mtimer.compareRegisters.mmioWrite(offset - MTIMECMP, size, value);
    else if (offset < END) this.mtimer.timeRegister.mmioWrite(offset - MTIME, size, value);
  }

  mmioRead64(offset: number): bigint {
    if (offset < MTIMECMP) {
      return BigInt(this.mswi.mmioRead(offset)) | (BigInt(this.mswi.mmioRead(offset + 4)) << 32n);
    }
    if (offset < MTIME) return this.mtimer.compareRegisters.mmioRead64?.(offset - MTIMECMP) ?? 0n;
    return offset < END ? (this.mtimer.timeRegister.mmioRead64?.(offset - MTIME) ?? 0n) : 0n;
  }

  mmioWrite64(offset: number, value: bigint): void {
    if (offset < MTIMECMP) {
      this.mswi.mmioWrite(offset, 4, Number(value & 1n));
      this.mswi.mmioWrite(offset + 4, 4, Number((value >> 32n) & 1n));
    } else if (offset < MTIME) this.mtimer.compareRegisters.mmioWrite64?.(offset - MTIMECMP, value);
    else if (offset < END) this.mtimer.timeRegister.mmioWrite64?.(offset - MTIME, value);
  }

  reset(): void {
    this.mswi.reset();
    this.mtimer.reset();
  }

  save(): SnapshotState {
    return { version: 1, mswi: this.mswi.save(), mtimer: this.mtimer.save() };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "clint");
    this.mswi.restore(stateField(state, "mswi"));
    this.mtimer.restore(stateField(state, "mtimer"));
  }

  /** Those of {@link Mswi.counters} and {@link Mtimer.counters}. */
  counters(): Counters {
    return { ...this.mswi.counters(), ...this.mtimer.counters() };
  }
}

/** Makes a {@link Clint}. */
export function clint(options: ClintOptions): Clint {
  return new Clint(options);
}

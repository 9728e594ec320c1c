import type {
  DeviceFactory,
  DeviceSlot,
  IrqLine,
  MmioSize,
  PlatformDevice,
  SnapshotState,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { bigintField, booleanField, checkVersion } from "../snapshot.ts";

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

/** The longest sleep that host timers take without overflow; a later alarm sleeps several times. */
const LONGEST_SLEEP = 0x7fff_ffff;
const LOW = 0xffff_ffffn;

/** How a {@link GoldfishRtc} is set up. */
export interface GoldfishRtcOptions {
  /** The wall clock: milliseconds since 1970-01-01T00:00Z. `Date.now` by default. */
  readonly now?: () => number;
  /** Calls `callback` after `milliseconds`; the function returned takes that back. Host timers by default. */
  readonly schedule?: (callback: () => void, milliseconds: number) => () => void;
}

/**
 * The goldfish real-time clock: nanoseconds since the epoch in two halves, settable, with one alarm that
 * interrupts (Android's goldfish virtual hardware description, section "goldfish RTC").
 *
 * Reading the low half latches the high one; writing the low half takes effect together with the high half written
 * before it.
 */
export class GoldfishRtc implements PlatformDevice {
  readonly bus = "platform";
  readonly size: number = 0x1000;
  readonly nodeName: string = "rtc";
  readonly devicetree: PlatformDevice["devicetree"] = { compatible: "google,goldfish-rtc" };
  readonly interrupts: boolean = true;
  readonly #irq: IrqLine;
  readonly #now: () => number;
  readonly #schedule: (callback: () => void, milliseconds: number) => () => void;
  /** Nanoseconds that the guest's clock is ahead of the host's. */
  #offset = 0n;
  #latched = 0n;
  #timeHigh = 0n;
  #alarmHigh = 0n;
  #alarm: bigint | undefined;
  #cancel: (() => void) | undefined;
  #enabled = false;
  #pending = false;
  #alarms = 0;

  constructor(irq: IrqLine, options: GoldfishRtcOptions = {}) {
    this.#irq = irq;
    this.#now = options.now ?? Date.now;
    this.#schedule = options.schedule ?? hostTimer;
  }

  mmioRead(offset: number, size: MmioSize): number {
    if (size !== 4) return 0;
    switch (offset) {
      case TIME_LOW: {
        const time = this.#time();
        this.#latched = time >> 32n;
        return Number(time & LOW);
      }
      case TIME_HIGH:
        return Number(this.#latched & LOW);
      case ALARM_LOW:
        return Number((this.#alarm ?? 0n) & LOW);
      case ALARM_HIGH:
        return Number((this.#alarm ?? 0n) >> 32n);
      case IRQ_ENABLED:
        return this.#enabled ? 1 : 0;
      case ALARM_STATUS:
        return this.#alarm === undefined ? 0 : 1;
      default:
        return 0;
    }
  }

  mmioWrite(offset: number, size: MmioSize, value: number): void {
    if (size !== 4) return;
    switch (offset) {
      case TIME_LOW:
        this.#offset += ((this.#timeHigh << 32n) | BigInt(value)) - this.#time();
        if (this.#alarm !== undefined) this.#arm();
        break;
      case TIME_HIGH:
        this.#timeHigh = BigInt(value);
        break;
      case ALARM_LOW:
        this.#alarm = (this.#alarmHigh << 32n) | BigInt(value);
        this.#arm();
        break;
      case ALARM_HIGH:
        this.#alarmHigh = BigInt(value);
        break;
      case IRQ_ENABLED:
        this.#enabled = (value & 1) !== 0;
        this.#update();
        break;
      case CLEAR_ALARM:
        this.#disarm();
        break;
      case CLEAR_INTERRUPT:
        this.#pending = false;
        this.#update();
        break;
    }
  }

  reset(): void {
    this.#disarm();
    this.#offset = 0n;
    this.#latched = 0n;
    this.#timeHigh = 0n;
    this.#alarmHigh = 0n;
    this.#enabled = false;
    this.#pending = false;
    this.#update();
  }

  /** Takes back the timer of an armed alarm. */
  close(): void {
    this.#disarm();
  }

  save(): SnapshotState {
    return {
      version: 1,
      offset: this.#offset,
      latched: this.#latched,
      timeHigh: this.#timeHigh,
      alarmHigh: this.#alarmHigh,
      alarm: this.#alarm ?? null,
      enabled: this.#enabled,
      pending: this.#pending,
    };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "goldfishRtc");
    this.#disarm();
    this.#offset = bigintField(state, "offset");
    this.#latched = bigintField(state, "latched") & LOW;
    this.#timeHigh = bigintField(state, "timeHigh") & LOW;
    this.#alarmHigh = bigintField(state, "alarmHigh") & LOW;
    this.#alarm = state.alarm === null ? undefined : BigInt.asUintN(64, bigintField(state, "alarm"));
    this.#enabled = booleanField(state, "enabled");
    this.#pending = booleanField(state, "pending");
    if (this.#alarm !== undefined) this.#arm();
    this.#update();
  }

  /** `alarms`: alarms that went off. */
  counters(): Counters {
    return { alarms: this.#alarms };
  }

  #time(): bigint {
    return BigInt.asUintN(64, BigInt(Math.floor(this.#now() * 1000)) * 1000n + this.#offset);
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const ahead = (this.#alarm as bigint) - this.#time();
    if (ahead <= 0n) {
      this.#alarm = undefined;
      this.#pending = true;
      this.#alarms++;
      this.#update();
      return;
    }
    const milliseconds = Math.min(Number(ahead / 1_000_000n) + 1, LONGEST_SLEEP);
    this.#cancel = this.#schedule(() => this.#arm(), milliseconds);
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#alarm = undefined;
  }

  #update(): void {
    this.#irq.set(this.#enabled && this.#pending);
  }
}

/** Configures a {@link GoldfishRtc}. */
export function goldfishRtc(options: GoldfishRtcOptions = {}): DeviceFactory<GoldfishRtc> {
  return (slot: DeviceSlot) => {
    const rtc = new GoldfishRtc(slot.irq, options);
    slot.defer(() => rtc.close());
    return rtc;
  };
}

function hostTimer(callback: () => void, milliseconds: number): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}

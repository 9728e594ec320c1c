import type { MmioSize, PlatformDevice, SnapshotState } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { checkVersion } from "../snapshot.ts";

/** Values that a guest writes to offset 0 of {@link SifiveTest}. */
export const FINISHER: { readonly FAIL: 0x3333; readonly PASS: 0x5555; readonly RESET: 0x7777 } = {
  FAIL: 0x3333,
  PASS: 0x5555,
  RESET: 0x7777,
};

/** What a {@link SifiveTest} calls. Both are called inside the guest's store. */
export interface SifiveTestOptions {
  /** The guest powers off: code 0 when it passed, else the 16-bit code that it gave. */
  readonly onPowerOff: (code: number) => void;
  /** The guest asks for a reset of the machine. */
  readonly onReset: () => void;
}

/**
 * SiFive's test finisher: a 32-bit register at offset 0 through which the guest ends or resets the machine. Linux
 * reaches it by the nodes `syscon-poweroff` and `syscon-reboot`, with the values of {@link FINISHER}.
 */
export class SifiveTest implements PlatformDevice {
  readonly bus = "platform";
  readonly size: number = 0x1000;
  readonly nodeName: string = "test";
  readonly devicetree: PlatformDevice["devicetree"] = {
    compatible: ["sifive,test1", "sifive,test0", "syscon"],
  };
  readonly interrupts: boolean = false;
  readonly #options: SifiveTestOptions;
  #requests = 0;
  #ignored = 0;

  constructor(options: SifiveTestOptions) {
    this.#options = options;
  }

  mmioRead(): number {
    return 0;
  }

  mmioWrite(offset: number, size: MmioSize, value: number): void {
    const status = value & 0xffff;
    if (offset !== 0 || size === 1) this.#ignored++;
    else if (status === FINISHER.PASS || status === FINISHER.FAIL) {
      this.#requests++;
      this.#options.onPowerOff(status === FINISHER.PASS ? 0 : value >>> 16);
    } else if (status === FINISHER.RESET) {
      this.#requests++;
      this.#options.onReset();
    } else this.#ignored++;
  }

  reset(): void {}

  save(): SnapshotState {
    return { version: 1 };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "sifiveTest");
  }

  /** `requests`: power-offs and resets asked for; `ignored`: other writes. */
  counters(): Counters {
    return { requests: this.#requests, ignored: this.#ignored };
  }
}

/** Makes a {@link SifiveTest}. */
export function sifiveTest(options: SifiveTestOptions): SifiveTest {
  return new SifiveTest(options);
}

import type { Hart } from "@isomorph/cpu";
import { baseExtension } from "./base.ts";
import { A0, A1, A6, A7, type SbiCall, SbiError, type SbiExtension, type SbiPlatform } from "./contract.ts";
import { dbcnExtension } from "./dbcn.ts";
import { hsmExtension } from "./hsm.ts";
import { ipiExtension } from "./ipi.ts";
import { legacyExtensions } from "./legacy.ts";
import { rfenceExtension } from "./rfence.ts";
import { srstExtension } from "./srst.ts";
import { timeExtension } from "./time.ts";

const SCOUNTEREN = 0x106;
/** Cycle, time and instret. */
const BASE_COUNTERS = 0b111n;

/**
 * What firmware leaves behind for the supervisor beyond the hart's reset state: user mode may read the base counters.
 * Kernels without a driver for a PMU rely on it, as their vDSO reads `time`.
 */
export function prepareSupervisor(hart: Hart): void {
  hart.writeCsr(SCOUNTEREN, BASE_COUNTERS);
}

/** The firmware that the VMM plays: serves one environment call of a hart, which stands at its `ecall`. */
export interface SbiFirmware {
  /** Serves the call, writes its results and steps over the `ecall`. */
  serve(hart: Hart): void;
}

/**
 * The RISC-V Supervisor Binary Interface, version 2.0, served by the VMM: BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN where
 * there is a console, and the legacy timer, console and shutdown. Other calls return SBI_ERR_NOT_SUPPORTED.
 */
export function sbiFirmware(platform: SbiPlatform): SbiFirmware {
  const all: SbiExtension[] = [
    baseExtension((id) => all.some((extension) => extension.id === id)),
    timeExtension,
    ipiExtension(platform),
    rfenceExtension(platform),
    hsmExtension(platform, prepareSupervisor),
    srstExtension(platform),
    ...legacyExtensions(platform, platform.console),
    ...(platform.console === undefined ? [] : [dbcnExtension(platform, platform.console)]),
  ];
  return new SbiServer(all);
}

/** Serves the calls of a list of extensions. */
export class SbiServer implements SbiFirmware {
  readonly #extensions: ReadonlyMap<number, SbiExtension>;
  #call: SbiCall | undefined;

  constructor(extensions: readonly SbiExtension[]) {
    this.#extensions = new Map(extensions.map((extension) => [extension.id, extension]));
  }

  /** Whether the extension that the hart calls is one of these. */
  has(hart: Hart): boolean {
    return this.#extensions.has(hart.registerAsNumber(A7));
  }

  serve(hart: Hart): void {
    this.#call ??= { hart, functionId: 0, value: 0 };
    const call = this.#call;
    call.hart = hart;
    call.functionId = hart.registerAsNumber(A6);
    call.value = 0;
    hart.pc = BigInt.asUintN(64, hart.pc + 4n);
    const extension = this.#extensions.get(hart.registerAsNumber(A7));
    const error = extension === undefined ? SbiError.SBI_ERR_NOT_SUPPORTED : extension.call(call);
    hart.writeRegister(A0, BigInt.asUintN(64, BigInt(error)));
    if (extension?.legacy !== true) hart.writeRegister(A1, BigInt.asUintN(64, BigInt(call.value)));
  }
}

import { State } from "../state.ts";
import { DELEGABLE_EXCEPTIONS, Exception, SUPERVISOR_INTERRUPTS } from "../trap/causes.ts";
import { fixedValue } from "./description.ts";
import { PMP_ADDRESS_MASK, PMP_ENTRIES, PmpConfiguration } from "./pmp.ts";
import { CSRS, Menvcfg } from "./table.ts";

/** What a hart is reset to. */
export interface CsrReset {
  /** Mode to start in: 3, 1 when no firmware runs in M-mode, 0 when there is nothing but user mode. */
  readonly mode: 0 | 1 | 3;
  /** `mhartid`. */
  readonly hart: number;
}

/**
 * Gives every CSR of the hart whose block is at `state` its value after reset (privileged specification, section
 * 3.4); what the specification leaves open is zero. Interrupt lines keep their level, which `mip` shows.
 *
 * This writes the block only: the caller then calls the MMU's functions for changed contexts and PMP registers.
 */
export function resetCsrs(view: DataView, state: number, { mode, hart }: CsrReset): void {
  for (const { rule } of CSRS) {
    if (rule.kind !== "register") continue;
    view.setBigUint64(state + rule.offset, fixedValue(rule.fields), true);
  }
  for (const offset of CLEARED) view.setBigUint64(state + offset, 0n, true);
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    view.setUint8(state + State.PMPCFG + entry, 0);
    view.setBigUint64(state + State.PMPADDR + 8 * entry, 0n, true);
  }
  for (const offset of CLEARED_WORDS) view.setUint32(state + offset, 0, true);
  view.setBigUint64(state + State.MHARTID, BigInt(hart), true);
  view.setBigUint64(state + State.MIP, view.getBigUint64(state + State.LINES, true), true);
  view.setUint32(state + State.MODE, mode, true);
}

const CLEARED: readonly number[] = [
  State.SOFTWARE_MIP,
  State.MCOUNTINHIBIT,
  State.INSTRET_BIAS,
  State.CYCLE_BIAS,
];

const CLEARED_WORDS: readonly number[] = [
  State.FFLAGS,
  State.FRM,
  State.RESERVATION,
  State.TRAPS_IN_A_ROW,
  State.FIRMWARE_IN_VMM,
  State.FAULT,
];

/**
 * Prepares a hart after {@link resetCsrs} as M-mode firmware would before it enters an operating system: S-mode, all
 * exceptions and supervisor interrupts delegated, environment calls from S-mode to the VMM, counters, `stimecmp` (in
 * the far future), hardware A and D bits and cache-block instructions allowed, all of memory open to S- and U-mode.
 *
 * As with a reset, the caller then calls the MMU's functions for changed contexts and PMP registers.
 */
export function prepareSupervisor(view: DataView, state: number): void {
  const put = (offset: number, value: bigint): void => view.setBigUint64(state + offset, value, true);
  put(State.MEDELEG, BigInt(DELEGABLE_EXCEPTIONS & ~(1 << Exception.ECALL_FROM_SUPERVISOR)));
  put(State.MIDELEG, BigInt(SUPERVISOR_INTERRUPTS));
  put(State.MCOUNTEREN, 7n);
  put(State.MENVCFG, Menvcfg.STCE | Menvcfg.ADUE | Menvcfg.CBIE | Menvcfg.CBCFE | Menvcfg.CBZE);
  put(State.STIMECMP, 2n ** 64n - 1n);
  const { NAPOT, R, W, X } = PmpConfiguration;
  view.setUint8(state + State.PMPCFG, NAPOT | R | W | X);
  put(State.PMPADDR, PMP_ADDRESS_MASK);
  view.setUint32(state + State.MODE, 1, true);
  view.setUint32(state + State.FIRMWARE_IN_VMM, 1, true);
}

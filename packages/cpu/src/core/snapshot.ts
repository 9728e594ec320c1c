import type { SnapshotState, SnapshotValue } from "@isomorph/interface";
import type { CsrIsa } from "../csr/index.ts";
import { findImpossibleCsr } from "../csr/index.ts";
import { State } from "../state.ts";

const VERSION = 1;
/** Bytes of a hart's block that hold architectural state. */
const STATE_BYTES = State.CONTEXTS;

/** Fields of the hart's block that are architectural state, 8 bytes each. */
const FIELDS = [
  "PC",
  "RESERVATION",
  "RESERVED_VALUE",
  "RETIRED_LIMIT",
  "INSTRET_BIAS",
  "CYCLE_BIAS",
  "MIP",
  "MIE",
  "MIDELEG",
  "MEDELEG",
  "MTVEC",
  "MEPC",
  "MCAUSE",
  "MTVAL",
  "MSCRATCH",
  "MCOUNTEREN",
  "MCOUNTINHIBIT",
  "STVEC",
  "SEPC",
  "SCAUSE",
  "STVAL",
  "SSCRATCH",
  "SCOUNTEREN",
  "SENVCFG",
  "STIMECMP",
  "MHARTID",
  "LINES",
  "SOFTWARE_MIP",
  "MSTATUS",
  "SATP",
  "MENVCFG",
] as const satisfies readonly (keyof typeof State)[];

/** The same, 4 bytes each. */
const WORDS = [
  "FFLAGS",
  "FRM",
  "REMAINING",
  "FIRMWARE_IN_VMM",
  "MODE",
] as const satisfies readonly (keyof typeof State)[];

/** The architectural state of the hart whose block is at `state`. */
export function saveHart(view: DataView, state: number): SnapshotState {
  const doublewords = (offset: number, count: number): bigint[] =>
    Array.from({ length: count }, (_, index) => view.getBigUint64(state + offset + 8 * index, true));
  const fields: Record<string, SnapshotValue> = {};
  for (const name of FIELDS) fields[name] = view.getBigUint64(state + State[name], true);
  for (const name of WORDS) fields[name] = view.getUint32(state + State[name], true);
  return {
    version: VERSION,
    x: doublewords(State.X, 32),
    f: doublewords(State.F, 32),
    pmpcfg: doublewords(State.PMPCFG, 2),
    pmpaddr: doublewords(State.PMPADDR, 16),
    fields,
  };
}

/**
 * Puts back what {@link saveHart} took. Nothing changes unless all of it is possible. The caller flushes the TLB.
 */
export function restoreHart(view: DataView, state: number, saved: SnapshotState, isa: CsrIsa): void {
  const current = new Uint8Array(view.buffer, state, STATE_BYTES);
  const draft = new DataView(current.slice().buffer);
  decodeHart(draft, saved);
  const impossible = findImpossibleCsr(draft, 0, isa);
  if (impossible !== undefined) throw malformed(impossible);
  current.set(new Uint8Array(draft.buffer));
}

function decodeHart(view: DataView, saved: SnapshotState): void {
  if (saved.version !== VERSION) {
    throw Object.assign(new Error(`hart snapshot has version ${saved.version}, not ${VERSION}`), {
      code: "ERR_SNAPSHOT_VERSION",
    });
  }
  const doublewords = (name: string, offset: number, count: number): void => {
    const values = saved[name];
    if (!Array.isArray(values) || values.length !== count) throw malformed(name);
    values.forEach((value: SnapshotValue, index) => {
      if (typeof value !== "bigint") throw malformed(name);
      view.setBigUint64(offset + 8 * index, value, true);
    });
  };
  doublewords("x", State.X, 32);
  doublewords("f", State.F, 32);
  doublewords("pmpcfg", State.PMPCFG, 2);
  doublewords("pmpaddr", State.PMPADDR, 16);
  const fields = saved.fields as Readonly<Record<string, SnapshotValue>> | undefined;
  for (const name of FIELDS) {
    const value = fields?.[name];
    if (typeof value !== "bigint") throw malformed(name);
    view.setBigUint64(State[name], value, true);
  }
  for (const name of WORDS) {
    const value = fields?.[name];
    if (typeof value !== "number") throw malformed(name);
    view.setUint32(State[name], value, true);
  }
  view.setBigUint64(State.X, 0n, true);
}

function malformed(name: string): Error {
  return Object.assign(new Error(`hart snapshot has no valid ${name}`), { code: "ERR_SNAPSHOT_MALFORMED" });
}

import { State } from "../state.ts";
import { InterruptBit, SUPERVISOR_INTERRUPTS } from "../trap/causes.ts";
import {
  type CsrField,
  type CsrIsa,
  fieldMask,
  fixedValue,
  presentFields,
  writableMask,
} from "./description.ts";
import { PMP_ADDRESS_MASK, PMP_CONFIGURATION_MASK, PMP_ENTRIES, PmpConfiguration } from "./pmp.ts";
import { CSRS, INHIBIT_WRITABLE } from "./table.ts";

/** Fields of the hart's block that no register of the table is behind, with the bits that they can have. */
const OTHERS: readonly { readonly name: keyof typeof State; readonly mask: bigint }[] = [
  { name: "MCOUNTINHIBIT", mask: BigInt(INHIBIT_WRITABLE) },
  { name: "SOFTWARE_MIP", mask: BigInt(InterruptBit.SEIP) },
  {
    name: "LINES",
    mask: BigInt(InterruptBit.MSIP | InterruptBit.MTIP | InterruptBit.MEIP | InterruptBit.SEIP),
  },
  {
    name: "MIP",
    mask: BigInt(InterruptBit.MSIP | InterruptBit.MTIP | InterruptBit.MEIP | SUPERVISOR_INTERRUPTS),
  },
];

/**
 * The name of a CSR (or of a field of the hart's block) that holds a value which no sequence of writes can give it;
 * undefined when there is none. For state that comes from outside: the rest of the processor relies on the rules.
 */
export function findImpossibleCsr(view: DataView, state: number, isa: CsrIsa): string | undefined {
  for (const { name, rule } of CSRS) {
    if (rule.kind !== "register") continue;
    const value = view.getBigUint64(state + rule.offset, true);
    if (!isPossible(value, presentFields(rule.fields, isa))) return name;
  }
  for (const { name, mask } of OTHERS) {
    if ((view.getBigUint64(state + State[name], true) & ~mask) !== 0n) return name;
  }
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const byte = view.getUint8(state + State.PMPCFG + entry);
    const { R, W } = PmpConfiguration;
    if ((byte & ~PMP_CONFIGURATION_MASK) !== 0 || (byte & (R | W)) === W) return `pmpcfg${entry < 8 ? 0 : 2}`;
    const address = view.getBigUint64(state + State.PMPADDR + 8 * entry, true);
    if ((address & ~PMP_ADDRESS_MASK) !== 0n) return `pmpaddr${entry}`;
  }
  if (view.getUint32(state + State.FFLAGS, true) > 31) return "fflags";
  if (view.getUint32(state + State.FRM, true) > 7) return "frm";
  if (![0, 1, 3].includes(view.getUint32(state + State.MODE, true))) return "MODE";
  return undefined;
}

function isPossible(value: bigint, fields: readonly CsrField[]): boolean {
  if ((value & ~writableMask(fields)) !== fixedValue(fields)) return false;
  return fields.every(({ legal, ...field }) => {
    if (legal === undefined) return true;
    return legal.includes(Number((value & fieldMask(field)) >> BigInt(field.low)));
  });
}

import { State } from "../state.ts";
import { Interrupt, InterruptBit } from "./causes.ts";

/** Interrupts that are a line and nothing else: software cannot write their bits. */
const LEVELS: number = InterruptBit.MSIP | InterruptBit.MTIP | InterruptBit.MEIP;

/**
 * Drives interrupt input `cause` (a bit number in `mip`) of the hart whose block is at `state`.
 *
 * MSIP, MTIP and MEIP follow the line. SEIP is the line or software's bit. SSIP and STIP have no line of their own:
 * a rise sets the bit as software would, a fall clears it. Throws a RangeError for a cause that is not an interrupt.
 */
export function setLine(view: DataView, state: number, cause: number, level: boolean): void {
  const bit = 1 << cause;
  if (!CAUSES.has(cause)) throw new RangeError(`not an interrupt cause: ${cause}`);
  let pending = level;
  if ((bit & (LEVELS | InterruptBit.SEIP)) !== 0) {
    writeBit(view, state + State.LINES, bit, level);
    if (cause === Interrupt.SUPERVISOR_EXTERNAL) {
      pending ||= (view.getUint32(state + State.SOFTWARE_MIP, true) & bit) !== 0;
    }
  }
  writeBit(view, state + State.MIP, bit, pending);
  if (pending && (view.getUint32(state + State.MIE, true) & bit) !== 0) {
    view.setUint32(state + State.ATTENTION, 1, true);
  }
}

const CAUSES: ReadonlySet<number> = new Set(Object.values(Interrupt));

/** Changes one of the low 32 bits at `address`. */
function writeBit(view: DataView, address: number, bit: number, value: boolean): void {
  const old = view.getUint32(address, true);
  view.setUint32(address, value ? old | bit : old & ~bit, true);
}

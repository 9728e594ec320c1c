import type { Hart } from "@isomorph/cpu";
import type { InterpreterRoutines } from "./dispatcher/contract.ts";
import type { Htif } from "./htif.ts";
import type { VmOutcome } from "./outcome.ts";
import type { SbiFirmware } from "./sbi/firmware.ts";

const SEPC = 0x141;
const SCAUSE = 0x142;
const STVAL = 0x143;
const MEPC = 0x341;
const MCAUSE = 0x342;
const MTVAL = 0x343;
const MACHINE_MODE = 3;

/**
 * One routine for each way in which a hart comes back to the VMM with work to do: Popek and Goldberg's third part,
 * beside dispatcher and allocator.
 */
export function interpreterRoutines(parts: {
  readonly harts: readonly Hart[];
  readonly sbi: SbiFirmware;
  readonly htif: Htif | undefined;
  readonly end: (outcome: VmOutcome) => void;
}): InterpreterRoutines {
  const { harts, sbi, htif, end } = parts;
  return {
    firmwareCall: (hart) => sbi.serve(harts[hart] as Hart),
    trapLoop: (hart) => end({ reason: "crashed", detail: describeTrapLoop(harts[hart] as Hart) }),
    ...(htif === undefined ? {} : { afterSlice: () => htif.poll() }),
  };
}

function describeTrapLoop(hart: Hart): string {
  const registers = hart.mode === MACHINE_MODE ? [MCAUSE, MEPC, MTVAL] : [SCAUSE, SEPC, STVAL];
  const [cause, epc, value] = registers.map((csr) => `0x${hart.readCsr(csr).toString(16)}`);
  return (
    `hart ${hart.id} traps without end: its trap vector cannot be executed ` +
    `(pc 0x${hart.pc.toString(16)}, cause ${cause}, exception pc ${epc}, trap value ${value})`
  );
}

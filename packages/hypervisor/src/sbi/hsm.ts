import type { Hart } from "@isomorph/cpu";
import { HartState } from "../dispatcher/hart-state.ts";
import { A0, A1, A2, type SbiCall, SbiError, type SbiExtension, type SbiPlatform } from "./contract.ts";

/** Hart states by their number (SBI 2.0, section 9, table 2). */
const HSM_STARTED = 0;
const HSM_STOPPED = 1;
const HSM_SUSPENDED = 4;

const DEFAULT_RETENTIVE = 0x00000000;
const DEFAULT_NON_RETENTIVE = 0x80000000;

/**
 * Hart State Management extension (SBI 2.0, section 9). Of the suspend types the default retentive one is there.
 * `prepare` is called on a hart that starts, after its reset.
 */
export function hsmExtension(platform: SbiPlatform, prepare: (hart: Hart) => void): SbiExtension {
  return {
    id: 0x48534d,
    name: "HSM",
    call(call) {
      switch (call.functionId) {
        case 0:
          return hartStart(platform, call, prepare);
        case 1:
          platform.scheduler.setState(call.hart.id, HartState.STOPPED);
          return SbiError.SBI_SUCCESS;
        case 2:
          return hartGetStatus(platform, call);
        case 3:
          return hartSuspend(platform, call);
        default:
          return SbiError.SBI_ERR_NOT_SUPPORTED;
      }
    },
  };
}

function hartStart(
  { harts, memory, scheduler }: SbiPlatform,
  { hart }: SbiCall,
  prepare: (hart: Hart) => void,
): number {
  const id = hart.registerAsNumber(A0);
  const target = harts[id];
  if (target === undefined) return SbiError.SBI_ERR_INVALID_PARAM;
  if (scheduler.stateOf(id) !== HartState.STOPPED) return SbiError.SBI_ERR_ALREADY_AVAILABLE;
  const pc = hart.registerAsNumber(A1);
  if (pc % 2 !== 0 || !memory.contains(pc, 2)) return SbiError.SBI_ERR_INVALID_ADDRESS;
  target.reset({ pc, a0: id, a1: 0 });
  prepare(target);
  target.writeRegister(A1, hart.readRegister(A2));
  scheduler.setState(id, HartState.RUNNABLE);
  return SbiError.SBI_SUCCESS;
}

function hartGetStatus({ harts, scheduler }: SbiPlatform, call: SbiCall): number {
  const id = call.hart.registerAsNumber(A0);
  if (harts[id] === undefined) return SbiError.SBI_ERR_INVALID_PARAM;
  const state = scheduler.stateOf(id);
  if (state === HartState.STOPPED) call.value = HSM_STOPPED;
  else call.value = state === HartState.SUSPENDED ? HSM_SUSPENDED : HSM_STARTED;
  return SbiError.SBI_SUCCESS;
}

function hartSuspend({ scheduler }: SbiPlatform, { hart }: SbiCall): number {
  const type = hart.registerAsNumber(A0) >>> 0; // suspend_type is 32 bits wide
  if (type === DEFAULT_NON_RETENTIVE) return SbiError.SBI_ERR_NOT_SUPPORTED;
  if (type !== DEFAULT_RETENTIVE) return SbiError.SBI_ERR_INVALID_PARAM;
  if (!hart.interruptPending) scheduler.setState(hart.id, HartState.SUSPENDED);
  return SbiError.SBI_SUCCESS;
}

import { A0, A1, SbiError, type SbiExtension, type SbiPlatform } from "./contract.ts";

const SHUTDOWN = 0;
const COLD_REBOOT = 1;
const WARM_REBOOT = 2;
const NO_REASON = 0;
const SYSTEM_FAILURE = 1;

/** System Reset extension (SBI 2.0, section 10). A shutdown for a system failure ends the run with code 1. */
export function srstExtension({ end }: SbiPlatform): SbiExtension {
  return {
    id: 0x53525354,
    name: "SRST",
    call({ hart, functionId }) {
      if (functionId !== 0) return SbiError.SBI_ERR_NOT_SUPPORTED;
      const type = hart.registerAsNumber(A0) >>> 0; // both arguments are 32 bits wide
      const reason = hart.registerAsNumber(A1) >>> 0;
      if (reason !== NO_REASON && reason !== SYSTEM_FAILURE) return SbiError.SBI_ERR_INVALID_PARAM;
      if (type === SHUTDOWN) end({ reason: "power-off", code: reason });
      else if (type === COLD_REBOOT || type === WARM_REBOOT) end({ reason: "reset" });
      else return SbiError.SBI_ERR_INVALID_PARAM;
      return SbiError.SBI_SUCCESS;
    },
  };
}

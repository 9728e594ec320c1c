import type { Hart } from "@isomorph/cpu";
import { A0, SbiError, type SbiExtension } from "./contract.ts";

/** Timer extension (SBI 2.0, section 6). */
export const timeExtension: SbiExtension = {
  id: 0x54494d45,
  name: "TIME",
  call({ hart, functionId }) {
    if (functionId !== 0) return SbiError.SBI_ERR_NOT_SUPPORTED;
    programTimer(hart);
    return SbiError.SBI_SUCCESS;
  },
};

/** Programs the caller's timer with a0. A time of 2^53 ticks or later is never, and so is -1 by the specification. */
export function programTimer(hart: Hart): void {
  const deadline = hart.registerAsNumber(A0);
  hart.setTimer(deadline >= 0 && deadline <= Number.MAX_SAFE_INTEGER ? deadline : Number.POSITIVE_INFINITY);
}

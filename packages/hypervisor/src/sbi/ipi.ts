import type { Hart } from "@isomorph/cpu";
import { SbiError, type SbiExtension } from "./contract.ts";
import { hartMask } from "./hart-mask.ts";

/** Supervisor software interrupt: a bit of `mip` that the guest clears itself, in `sip`. */
const SSIP = 1;

/** IPI extension (SBI 2.0, section 7). */
export function ipiExtension({
  harts,
}: {
  readonly harts: readonly Pick<Hart, "setInterrupt">[];
}): SbiExtension {
  return {
    id: 0x735049,
    name: "IPI",
    call({ hart, functionId }) {
      if (functionId !== 0) return SbiError.SBI_ERR_NOT_SUPPORTED;
      const mask = hartMask(hart, harts.length);
      if (mask < 0) return SbiError.SBI_ERR_INVALID_PARAM;
      for (let i = 0; i < harts.length; i++) {
        if (mask & (1 << i)) harts[i]?.setInterrupt(SSIP, true);
      }
      return SbiError.SBI_SUCCESS;
    },
  };
}

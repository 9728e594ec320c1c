import type { Hart } from "@isomorph/cpu";
import { SbiError, type SbiExtension } from "./contract.ts";
import { hartMask } from "./hart-mask.ts";

/**
 * RFENCE extension (SBI 2.0, section 8). Fences are complete: address range and ASID only permit to do less. The
 * functions for the hypervisor extension (3 to 6) are not supported: the harts have none.
 */
export function rfenceExtension({ harts }: { readonly harts: readonly Pick<Hart, "fence">[] }): SbiExtension {
  return {
    id: 0x52464e43,
    name: "RFENCE",
    call({ hart, functionId }) {
      if (!(functionId >= 0 && functionId <= 2)) return SbiError.SBI_ERR_NOT_SUPPORTED;
      const mask = hartMask(hart, harts.length);
      if (mask < 0) return SbiError.SBI_ERR_INVALID_PARAM;
      for (let i = 0; i < harts.length; i++) {
        if (mask & (1 << i)) harts[i]?.fence(functionId === 0 ? "instruction" : "address-translation");
      }
      return SbiError.SBI_SUCCESS;
    },
  };
}

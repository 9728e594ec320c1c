import type { Hart } from "@isomorph/cpu";
import { A0, A1 } from "./contract.ts";

/**
 * Reads `hart_mask` (a0) and `hart_mask_base` (a1) as a bit mask of harts, hart 0 in bit 0 (SBI 2.0, section 3.1).
 * -1 when one of them names a hart that there is not. A base of -1 means all harts.
 */
export function hartMask(caller: Hart, harts: number): number {
  const base = caller.registerAsNumber(A1);
  const all = 2 ** harts - 1;
  if (base === -1) return all;
  const mask = caller.registerAsNumber(A0);
  if (!(base >= 0 && base < harts) || mask < 0) return -1;
  const shifted = mask * 2 ** base;
  return shifted <= all ? shifted : -1;
}

import { low12 } from "./expression.ts";

/** One step in building a constant: `[instruction, immediate]`; each but the first takes the register it writes. */
export type ConstantStep = readonly ["lui" | "addi" | "addiw" | "slli", number];

/**
 * Instructions that build a 64-bit constant in one register: a 32-bit value takes `lui` and `addiw`; a wider one is
 * a shorter one shifted left past its trailing zeros, plus the low 12 bits.
 */
export function constantSteps(value: bigint): ConstantStep[] {
  const signed = BigInt.asIntN(64, value);
  const low = low12(signed);
  const rest = BigInt.asIntN(64, signed - low);
  if (BigInt.asIntN(32, signed) === signed) {
    if (rest === 0n) return [["addi", Number(low)]];
    const upper: ConstantStep = ["lui", Number((rest >> 12n) & 0xfffffn)];
    return low === 0n ? [upper] : [upper, ["addiw", Number(low)]];
  }
  let shift = 12n;
  while (((rest >> shift) & 1n) === 0n) shift++;
  const steps = [...constantSteps(rest >> shift), ["slli", Number(shift)] as const];
  return low === 0n ? steps : [...steps, ["addi", Number(low)] as const];
}

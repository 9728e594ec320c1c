import type { Code, I64, Var } from "@isomorph/wasm";

/** Swaps neighbouring groups of `shift` bits; `mask` has the lower one of each pair. The variable is overwritten. */
function swapGroups(code: Code, value: Var<"i64">, mask: bigint, shift: number): void {
  const { i64 } = code;
  const upward = i64.shl(i64.and(value.get(), mask), shift);
  value.set(i64.or(upward, i64.and(i64.shrU(value.get(), shift), mask)));
}

/** The bytes in reverse order. The variable is overwritten. */
export function reverseBytes(code: Code, value: Var<"i64">): I64 {
  swapGroups(code, value, 0x00ff_00ff_00ff_00ffn, 8);
  swapGroups(code, value, 0x0000_ffff_0000_ffffn, 16);
  return code.i64.rotl(value.get(), 32);
}

/** The bits of each byte in reverse order. The variable is overwritten. */
export function reverseBitsInBytes(code: Code, value: Var<"i64">): I64 {
  swapGroups(code, value, 0x5555_5555_5555_5555n, 1);
  swapGroups(code, value, 0x3333_3333_3333_3333n, 2);
  swapGroups(code, value, 0x0f0f_0f0f_0f0f_0f0fn, 4);
  return value.get();
}

/** All 64 bits in reverse order. The variable is overwritten. */
export function reverseBits(code: Code, value: Var<"i64">): I64 {
  value.set(reverseBitsInBytes(code, value));
  return reverseBytes(code, value);
}

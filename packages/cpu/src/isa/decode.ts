import { INSTRUCTIONS } from "./index.ts";
import type { Instruction } from "./instruction.ts";

/** Candidates by major opcode and funct3, the most specific first. */
const candidates: readonly (readonly Instruction[])[] = Array.from({ length: 256 }, (_, key) =>
  INSTRUCTIONS.filter(({ match, mask }) => {
    const word = ((key & 31) << 2) | 3 | ((key >> 5) << 12);
    return ((word ^ match) & mask & 0x707f) === 0;
  }),
);

/** The instruction that a 32-bit word (expanded, if it was compressed) is; undefined when it is illegal. */
export function decode(word: number): Instruction | undefined {
  if ((word & 3) !== 3) return undefined;
  const list = candidates[((word >>> 2) & 31) | ((word >>> 7) & 0xe0)] as readonly Instruction[];
  for (const candidate of list) {
    if (((word ^ candidate.match) & candidate.mask) === 0) return candidate;
  }
  return undefined;
}

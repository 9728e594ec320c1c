import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";

/**
 * Zimop: may-be-operations, which write zero until an extension makes them something else (unprivileged
 * specification, chapter 10).
 */
export const zimop: readonly Instruction[] = [
  ...Array.from({ length: 32 }, (_, n) =>
    instruction("zimop", `mop.r.${n}`, "rd, rs1", 0x81c04073 | spread(n), Mask.FUNCT12, (s) =>
      s.setX(s.i64.const(0)),
    ),
  ),
  ...Array.from({ length: 8 }, (_, n) =>
    instruction(
      "zimop",
      `mop.rr.${n}`,
      "rd, rs1, rs2",
      // n has its bits at 26, 27 and 30.
      encoding(Opcode.SYSTEM, 4, 0x41) | ((n & 3) << 26) | ((n & 4) << 28),
      Mask.FUNCT7,
      (s) => s.setX(s.i64.const(0)),
    ),
  ),
];

/** The bits of n where mop.r.n has them: at 20 and 21, 26 and 27, and 30. */
function spread(n: number): number {
  return ((n & 3) << 20) | ((n & 12) << 24) | ((n & 16) << 26);
}

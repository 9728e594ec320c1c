import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";

/** Zicond: rs1, or zero if rs2 is (not) zero (unprivileged specification, chapter 11). */
export const zicond: readonly Instruction[] = [
  instruction("zicond", "czero.eqz", "rd, rs1, rs2", encoding(Opcode.OP, 5, 0x07), Mask.FUNCT7, (s) =>
    s.setX(s.code.select(s.x1(), s.i64.const(0), s.i64.ne(s.x2(), 0))),
  ),
  instruction("zicond", "czero.nez", "rd, rs1, rs2", encoding(Opcode.OP, 7, 0x07), Mask.FUNCT7, (s) =>
    s.setX(s.code.select(s.x1(), s.i64.const(0), s.i64.eqz(s.x2()))),
  ),
];

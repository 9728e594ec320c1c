import type { I32, I64 } from "@isomorph/wasm";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { AccessSize, Semantics } from "./semantics.ts";

/** RV64I (unprivileged specification, chapters 2 and 4), FENCE included. */
export const rv64i: readonly Instruction[] = [
  instruction("i", "lui", "rd, immU", Opcode.LUI, Mask.OPCODE, (s) => s.setX(s.immediate())),
  instruction("i", "auipc", "rd, immU", Opcode.AUIPC, Mask.OPCODE, (s) =>
    s.setX(s.i64.add(s.pc(), s.immediate())),
  ),
  instruction(
    "i",
    "jal",
    "rd, immJ",
    Opcode.JAL,
    Mask.OPCODE,
    (s) => {
      s.setX(s.nextPc());
      s.jump();
    },
    "jump",
  ),
  instruction(
    "i",
    "jalr",
    "rd, immI(rs1)",
    encoding(Opcode.JALR),
    Mask.FUNCT3,
    (s) => {
      const target = s.code.let64(s.i64.and(s.i64.add(s.x1(), s.immediate()), -2));
      s.setX(s.nextPc());
      s.jumpTo(target.get());
    },
    "indirect",
  ),
  ...branches([
    ["beq", 0, (s) => s.i64.eq(s.x1(), s.x2())],
    ["bne", 1, (s) => s.i64.ne(s.x1(), s.x2())],
    ["blt", 4, (s) => s.i64.ltS(s.x1(), s.x2())],
    ["bge", 5, (s) => s.i64.geS(s.x1(), s.x2())],
    ["bltu", 6, (s) => s.i64.ltU(s.x1(), s.x2())],
    ["bgeu", 7, (s) => s.i64.geU(s.x1(), s.x2())],
  ]),
  ...loads([
    ["lb", 0, 1, true],
    ["lh", 1, 2, true],
    ["lw", 2, 4, true],
    ["ld", 3, 8, true],
    ["lbu", 4, 1, false],
    ["lhu", 5, 2, false],
    ["lwu", 6, 4, false],
  ]),
  ...stores([
    ["sb", 0, 1],
    ["sh", 1, 2],
    ["sw", 2, 4],
    ["sd", 3, 8],
  ]),
  ...immediates([
    ["addi", 0, (s) => s.i64.add(s.x1(), s.immediate())],
    ["slti", 2, (s) => s.i64.extendI32U(s.i64.ltS(s.x1(), s.immediate()))],
    ["sltiu", 3, (s) => s.i64.extendI32U(s.i64.ltU(s.x1(), s.immediate()))],
    ["xori", 4, (s) => s.i64.xor(s.x1(), s.immediate())],
    ["ori", 6, (s) => s.i64.or(s.x1(), s.immediate())],
    ["andi", 7, (s) => s.i64.and(s.x1(), s.immediate())],
  ]),
  shift("slli", 1, 0x00, (s) => s.i64.shl(s.x1(), s.immediate())),
  shift("srli", 5, 0x00, (s) => s.i64.shrU(s.x1(), s.immediate())),
  shift("srai", 5, 0x20, (s) => s.i64.shrS(s.x1(), s.immediate())),
  instruction("i", "addiw", "rd, rs1, immI", encoding(Opcode.OP_IMM_32), Mask.FUNCT3, (s) =>
    s.setW(s.i32.add(s.w1(), s.immediate32())),
  ),
  shiftWord("slliw", 1, 0x00, (s) => s.i32.shl(s.w1(), s.immediate32())),
  shiftWord("srliw", 5, 0x00, (s) => s.i32.shrU(s.w1(), s.immediate32())),
  shiftWord("sraiw", 5, 0x20, (s) => s.i32.shrS(s.w1(), s.immediate32())),
  ...registers([
    ["add", 0, 0x00, (s) => s.i64.add(s.x1(), s.x2())],
    ["sub", 0, 0x20, (s) => s.i64.sub(s.x1(), s.x2())],
    ["sll", 1, 0x00, (s) => s.i64.shl(s.x1(), s.x2())],
    ["slt", 2, 0x00, (s) => s.i64.extendI32U(s.i64.ltS(s.x1(), s.x2()))],
    ["sltu", 3, 0x00, (s) => s.i64.extendI32U(s.i64.ltU(s.x1(), s.x2()))],
    ["xor", 4, 0x00, (s) => s.i64.xor(s.x1(), s.x2())],
    ["srl", 5, 0x00, (s) => s.i64.shrU(s.x1(), s.x2())],
    ["sra", 5, 0x20, (s) => s.i64.shrS(s.x1(), s.x2())],
    ["or", 6, 0x00, (s) => s.i64.or(s.x1(), s.x2())],
    ["and", 7, 0x00, (s) => s.i64.and(s.x1(), s.x2())],
  ]),
  ...registerWords([
    ["addw", 0, 0x00, (s) => s.i32.add(s.w1(), s.w2())],
    ["subw", 0, 0x20, (s) => s.i32.sub(s.w1(), s.w2())],
    ["sllw", 1, 0x00, (s) => s.i32.shl(s.w1(), s.w2())],
    ["srlw", 5, 0x00, (s) => s.i32.shrU(s.w1(), s.w2())],
    ["sraw", 5, 0x20, (s) => s.i32.shrS(s.w1(), s.w2())],
  ]),
  instruction("i", "fence", "pred, succ", encoding(Opcode.MISC_MEM), Mask.FUNCT3, (s) => s.fence()),
];

function branches(rows: readonly (readonly [string, number, (s: Semantics) => I32])[]): Instruction[] {
  return rows.map(([name, funct3, condition]) =>
    instruction(
      "i",
      name,
      "rs1, rs2, immB",
      encoding(Opcode.BRANCH, funct3),
      Mask.FUNCT3,
      (s) => s.branch(condition(s)),
      "branch",
    ),
  );
}

function loads(rows: readonly (readonly [string, number, AccessSize, boolean])[]): Instruction[] {
  return rows.map(([name, funct3, size, signed]) =>
    instruction("i", name, "rd, immI(rs1)", encoding(Opcode.LOAD, funct3), Mask.FUNCT3, (s) =>
      s.setX(s.load(s.address(), size, signed)),
    ),
  );
}

function stores(rows: readonly (readonly [string, number, AccessSize])[]): Instruction[] {
  return rows.map(([name, funct3, size]) =>
    instruction("i", name, "rs2, immS(rs1)", encoding(Opcode.STORE, funct3), Mask.FUNCT3, (s) =>
      s.store(s.address(), s.x2(), size),
    ),
  );
}

function immediates(rows: readonly (readonly [string, number, (s: Semantics) => I64])[]): Instruction[] {
  return rows.map(([name, funct3, value]) =>
    instruction("i", name, "rd, rs1, immI", encoding(Opcode.OP_IMM, funct3), Mask.FUNCT3, (s) =>
      s.setX(value(s)),
    ),
  );
}

function shift(name: string, funct3: number, funct7: number, value: (s: Semantics) => I64): Instruction {
  const match = encoding(Opcode.OP_IMM, funct3, funct7);
  return instruction("i", name, "rd, rs1, shamt6", match, Mask.FUNCT6, (s) => s.setX(value(s)));
}

function shiftWord(name: string, funct3: number, funct7: number, value: (s: Semantics) => I32): Instruction {
  const match = encoding(Opcode.OP_IMM_32, funct3, funct7);
  return instruction("i", name, "rd, rs1, shamt5", match, Mask.FUNCT7, (s) => s.setW(value(s)));
}

function registers(
  rows: readonly (readonly [string, number, number, (s: Semantics) => I64])[],
): Instruction[] {
  return rows.map(([name, funct3, funct7, value]) =>
    instruction("i", name, "rd, rs1, rs2", encoding(Opcode.OP, funct3, funct7), Mask.FUNCT7, (s) =>
      s.setX(value(s)),
    ),
  );
}

function registerWords(
  rows: readonly (readonly [string, number, number, (s: Semantics) => I32])[],
): Instruction[] {
  return rows.map(([name, funct3, funct7, value]) =>
    instruction("i", name, "rd, rs1, rs2", encoding(Opcode.OP_32, funct3, funct7), Mask.FUNCT7, (s) =>
      s.setW(value(s)),
    ),
  );
}

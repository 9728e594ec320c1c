import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { AmoOperation } from "./semantics.ts";

const OPERATIONS: readonly (readonly [AmoOperation, number])[] = [
  ["swap", 0x01],
  ["add", 0x00],
  ["xor", 0x04],
  ["and", 0x0c],
  ["or", 0x08],
  ["min", 0x10],
  ["max", 0x14],
  ["minu", 0x18],
  ["maxu", 0x1c],
];

const SIZES = [
  ["w", 2, 4],
  ["d", 3, 8],
] as const;

/** funct5 alone: aq and rl are operands. */
const FUNCT5 = 0xf800707f;
/** LR has no rs2. */
const FUNCT5_RS2 = 0xf9f0707f;

/** The A extension (unprivileged specification, chapter 13). Accesses must be naturally aligned. */
const atomics: readonly Instruction[] = SIZES.flatMap(([suffix, funct3, size]) => [
  instruction(
    "a",
    `lr.${suffix}`,
    "rd, (rs1){aqrl}",
    encoding(Opcode.AMO, funct3, 0x02 << 2),
    FUNCT5_RS2,
    (s) => s.setX(s.loadReserved(s.x1(), size)),
  ),
  instruction(
    "a",
    `sc.${suffix}`,
    "rd, rs2, (rs1){aqrl}",
    encoding(Opcode.AMO, funct3, 0x03 << 2),
    FUNCT5,
    (s) => s.setX(s.storeConditional(s.x1(), s.x2(), size)),
  ),
  ...OPERATIONS.map(([operation, funct5]) =>
    instruction(
      "a",
      `amo${operation}.${suffix}`,
      "rd, rs2, (rs1){aqrl}",
      encoding(Opcode.AMO, funct3, funct5 << 2),
      FUNCT5,
      (s) => s.setX(s.amo(s.x1(), s.x2(), size, operation)),
    ),
  ),
]);

/**
 * A and Zawrs (section 15.1): a wait on a reservation may end at any time. Here it ends at once, so that it is never too
 * long for `mstatus.TW` either.
 */
export const rv64a: readonly Instruction[] = [
  ...atomics,
  instruction("zawrs", "wrs.nto", "", Opcode.SYSTEM | (0x00d << 20), Mask.ALL, () => {}),
  instruction("zawrs", "wrs.sto", "", Opcode.SYSTEM | (0x01d << 20), Mask.ALL, () => {}),
];

import { FloatConstantTable } from "./float-constants.ts";
import { DOUBLE, type Format, HALF, type Operation, operand, SINGLE, setResult } from "./float-format.ts";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { Semantics } from "./semantics.ts";

/** Zfa (unprivileged specification, chapter 25), for all formats. */
export const zfa: readonly Instruction[] = [
  ...[SINGLE, DOUBLE, HALF].flatMap(formatInstructions),
  row(DOUBLE, "fcvtmod.w.d", "rd, fs1, rtz", encoding(Opcode.OP_FP, 1, 0x61, 8), Mask.FUNCT12, (s) =>
    s.setX(s.float64("f64ToI32Modular", () => s.f(1))),
  ),
];

function row(
  { extension }: Format,
  name: string,
  syntax: string,
  match: number,
  mask: number,
  execute: (s: Semantics) => void,
): Instruction {
  return instruction(
    extension,
    name,
    syntax,
    match,
    mask,
    (s) => {
      s.useFloat();
      execute(s);
    },
    "next",
    "zfa",
  );
}

function formatInstructions(format: Format): Instruction[] {
  const { code, suffix, prefix } = format;
  const match = (funct5: number, funct3: number, rs2 = 0): number =>
    encoding(Opcode.OP_FP, funct3, (funct5 << 2) | code, rs2);
  const pair = (s: Semantics): void => {
    operand(s, format, 1);
    operand(s, format, 2);
  };
  const selection = (name: string, operation: Operation, funct3: number): Instruction =>
    row(format, `${name}.${suffix}`, "fd, fs1, fs2", match(0x05, funct3), Mask.FUNCT7, (s) =>
      setResult(s, format, `${prefix}.${operation}`, () => pair(s)),
    );
  const comparison = (name: string, operation: Operation, funct3: number): Instruction =>
    row(format, `${name}.${suffix}`, "rd, fs1, fs2", match(0x14, funct3), Mask.FUNCT7, (s) =>
      s.setX(s.float64(`${prefix}.${operation}`, () => pair(s))),
    );
  const rounding = (name: string, operation: Operation, rs2: number): Instruction =>
    row(format, `${name}.${suffix}`, "fd, fs1, rm", match(0x08, 0, rs2), 0xfff0007f, (s) =>
      setResult(s, format, `${prefix}.${operation}`, () => {
        operand(s, format, 1);
        s.roundingMode();
      }),
    );
  return [
    row(format, `fli.${suffix}`, "fd, constant", match(0x1e, 0, 1), Mask.FUNCT12, (s) =>
      s.setF(s.i64.load(s.i32.shl(s.immediate32(), 3), FloatConstantTable[suffix])),
    ),
    selection("fminm", "minimum", 2),
    selection("fmaxm", "maximum", 3),
    comparison("fleq", "leQuiet", 4),
    comparison("fltq", "ltQuiet", 5),
    rounding("fround", "roundToIntegral", 4),
    rounding("froundnx", "roundToIntegralExact", 5),
  ];
}

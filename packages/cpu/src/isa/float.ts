import type { I32, I64 } from "@isomorph/wasm";
import type { FormatFunctions } from "../float/index.ts";
import { type Extension, encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { FloatName, Semantics } from "./semantics.ts";

/** The value of a register in one of the two formats; both are tokens of raw bits. */
type Bits = I32 | I64;

interface Format {
  readonly extension: Extension;
  readonly suffix: "s" | "d";
  /** The fmt field. */
  readonly code: 0 | 1;
  /** Prefix of the arithmetic functions. */
  readonly prefix: "f32" | "f64";
  readonly size: 4 | 8;
  readonly width: 2 | 3;
}

const SINGLE: Format = { extension: "f", suffix: "s", code: 0, prefix: "f32", size: 4, width: 2 };
const DOUBLE: Format = { extension: "d", suffix: "d", code: 1, prefix: "f64", size: 8, width: 3 };

const SIGN64 = 0x8000000000000000n;
const REST64 = 0x7fffffffffffffffn;
const SIGN32 = -0x80000000;
const REST32 = 0x7fffffff;

/** funct7 without funct3: the rounding mode is an operand. */
const FUNCT7 = 0xfe00007f;
const FUNCT7_RS2 = 0xfff0007f;

/** F and D (unprivileged specification, chapters 20 and 21), each instruction once for both formats. */
export const float: readonly Instruction[] = [
  ...[SINGLE, DOUBLE].flatMap(formatInstructions),
  convertFormat("fcvt.s.d", SINGLE, 1, (s) =>
    s.setSingle(
      s.float32("f64ToF32", () => {
        s.f(1);
        s.roundingMode();
      }),
    ),
  ),
  convertFormat("fcvt.d.s", DOUBLE, 0, (s) => {
    // Exact, but a reserved rounding mode is illegal all the same (section 20.2).
    s.code.drop(s.roundingMode());
    s.setF(s.float64("f32ToF64", () => s.single(1)));
  }),
];

function formatInstructions(format: Format): Instruction[] {
  const { extension, suffix, code, prefix, size, width } = format;
  const single = format === SINGLE;
  const operand = (s: Semantics, n: 1 | 2 | 3): Bits => (single ? s.single(n) : s.f(n));
  const setResult = (s: Semantics, name: FloatName, push: () => void): void =>
    single ? s.setSingle(s.float32(name, push)) : s.setF(s.float64(name, push));
  const named = (operation: keyof FormatFunctions<"i32">): FloatName => `${prefix}.${operation}`;
  const op = (
    name: string,
    syntax: string,
    funct5: number,
    mask: number,
    execute: (s: Semantics) => void,
    funct3 = 0,
    rs2 = 0,
  ): Instruction =>
    instruction(
      extension,
      `${name}.${suffix}`,
      syntax,
      encoding(Opcode.OP_FP, funct3, (funct5 << 2) | code, rs2),
      mask,
      (s) => {
        s.useFloat();
        execute(s);
      },
    );

  /** Rounded operation on two registers. */
  const arithmetic = (name: string, operation: keyof FormatFunctions<"i32">, funct5: number): Instruction =>
    op(name, "fd, fs1, fs2, rm", funct5, FUNCT7, (s) =>
      setResult(s, named(operation), () => {
        operand(s, 1);
        operand(s, 2);
        s.roundingMode();
      }),
    );

  /** Two registers without rounding, the result a float. */
  const selection = (name: string, operation: keyof FormatFunctions<"i32">, funct3: number): Instruction =>
    op(
      name,
      "fd, fs1, fs2",
      0x05,
      Mask.FUNCT7,
      (s) =>
        setResult(s, named(operation), () => {
          operand(s, 1);
          operand(s, 2);
        }),
      funct3,
    );

  const comparison = (name: string, operation: keyof FormatFunctions<"i32">, funct3: number): Instruction =>
    op(
      name,
      "rd, fs1, fs2",
      0x14,
      Mask.FUNCT7,
      (s) =>
        s.setX(
          s.float64(named(operation), () => {
            operand(s, 1);
            operand(s, 2);
          }),
        ),
      funct3,
    );

  /** fsgnj and its kin: the sign comes from `sign`, the rest from fs1. */
  const signInjection = (
    name: string,
    funct3: number,
    wide: SignRule<I64>,
    narrow: SignRule<I32>,
  ): Instruction =>
    op(
      name,
      "fd, fs1, fs2",
      0x04,
      Mask.FUNCT7,
      (s) => {
        if (single)
          s.setSingle(
            narrow(
              s,
              () => s.single(1),
              () => s.single(2),
            ),
          );
        else
          s.setF(
            wide(
              s,
              () => s.f(1),
              () => s.f(2),
            ),
          );
      },
      funct3,
    );

  const toInteger = (name: string, operation: keyof FormatFunctions<"i32">, rs2: number): Instruction =>
    instruction(
      extension,
      `${name}.${suffix}`,
      "rd, fs1, rm",
      encoding(Opcode.OP_FP, 0, (0x18 << 2) | code, rs2),
      FUNCT7_RS2,
      (s) => {
        s.useFloat();
        s.setX(
          s.float64(named(operation), () => {
            operand(s, 1);
            s.roundingMode();
          }),
        );
      },
    );

  const fromInteger = (name: string, operation: keyof FormatFunctions<"i32">, rs2: number): Instruction =>
    instruction(
      extension,
      `fcvt.${suffix}.${name}`,
      "fd, rs1, rm",
      encoding(Opcode.OP_FP, 0, (0x1a << 2) | code, rs2),
      FUNCT7_RS2,
      (s) => {
        s.useFloat();
        setResult(s, named(operation), () => {
          s.x1();
          s.roundingMode();
        });
      },
    );

  /** (fs1 * fs2) + fs3 with the signs of product and addend flipped as asked; negation is exact, NaNs included. */
  const fused = (name: string, opcode: number, negateProduct: boolean, negateAddend: boolean): Instruction =>
    instruction(
      extension,
      `${name}.${suffix}`,
      "fd, fs1, fs2, fs3, rm",
      encoding(opcode, 0, code),
      0x0600007f,
      (s) => {
        s.useFloat();
        const signed = (n: 1 | 2 | 3, negate: boolean): void => {
          const bits = operand(s, n);
          if (!negate) return;
          if (single) s.i32.xor(bits as I32, 0x80000000 | 0);
          else s.i64.xor(bits as I64, 0x8000000000000000n);
        };
        setResult(s, named("fma"), () => {
          signed(1, negateProduct);
          signed(2, false);
          signed(3, negateAddend);
          s.roundingMode();
        });
      },
    );

  return [
    instruction(
      extension,
      single ? "flw" : "fld",
      "fd, immI(rs1)",
      encoding(Opcode.LOAD_FP, width),
      Mask.FUNCT3,
      (s) => {
        s.useFloat();
        const value = s.load(s.i64.add(s.x1(), s.immediate()), size, false);
        s.setF(single ? s.i64.or(value, -0x1_0000_0000) : value);
      },
    ),
    instruction(
      extension,
      single ? "fsw" : "fsd",
      "fs2, immS(rs1)",
      encoding(Opcode.STORE_FP, width),
      Mask.FUNCT3,
      (s) => {
        s.useFloat();
        s.store(s.i64.add(s.x1(), s.immediate()), s.f(2), size);
      },
    ),
    fused("fmadd", Opcode.MADD, false, false),
    fused("fmsub", Opcode.MSUB, false, true),
    fused("fnmsub", Opcode.NMSUB, true, false),
    fused("fnmadd", Opcode.NMADD, true, true),
    arithmetic("fadd", "add", 0x00),
    arithmetic("fsub", "sub", 0x01),
    arithmetic("fmul", "mul", 0x02),
    arithmetic("fdiv", "div", 0x03),
    op("fsqrt", "fd, fs1, rm", 0x0b, FUNCT7_RS2, (s) =>
      setResult(s, named("sqrt"), () => {
        operand(s, 1);
        s.roundingMode();
      }),
    ),
    signInjection(
      "fsgnj",
      0,
      (s, a, b) => s.i64.or(s.i64.and(a(), REST64), s.i64.and(b(), SIGN64)),
      (s, a, b) => s.i32.or(s.i32.and(a(), REST32), s.i32.and(b(), SIGN32)),
    ),
    signInjection(
      "fsgnjn",
      1,
      (s, a, b) => s.i64.or(s.i64.and(a(), REST64), s.i64.and(s.i64.xor(b(), -1), SIGN64)),
      (s, a, b) => s.i32.or(s.i32.and(a(), REST32), s.i32.and(s.i32.xor(b(), -1), SIGN32)),
    ),
    signInjection(
      "fsgnjx",
      2,
      (s, a, b) => s.i64.xor(a(), s.i64.and(b(), SIGN64)),
      (s, a, b) => s.i32.xor(a(), s.i32.and(b(), SIGN32)),
    ),
    selection("fmin", "min", 0),
    selection("fmax", "max", 1),
    comparison("fle", "le", 0),
    comparison("flt", "lt", 1),
    comparison("feq", "eq", 2),
    toInteger("fcvt.w", "toI32", 0),
    toInteger("fcvt.wu", "toU32", 1),
    toInteger("fcvt.l", "toI64", 2),
    toInteger("fcvt.lu", "toU64", 3),
    fromInteger("w", "fromI32", 0),
    fromInteger("wu", "fromU32", 1),
    fromInteger("l", "fromI64", 2),
    fromInteger("lu", "fromU64", 3),
    op(
      "fclass",
      "rd, fs1",
      0x1c,
      Mask.FUNCT12,
      (s) => s.setX(s.float64(named("classify"), () => operand(s, 1))),
      1,
    ),
    move(format, "x", 0x1c, "rd, fs1", (s) => s.setX(single ? s.i64.extend32S(s.f(1)) : s.f(1))),
    move(format, "f", 0x1e, "fd, rs1", (s) => s.setF(single ? s.i64.or(s.x1(), -0x1_0000_0000) : s.x1())),
  ];
}

type SignRule<T> = (s: Semantics, a: () => T, b: () => T) => T;

/** fmv between the register files: raw bits, whatever they mean. */
function move(
  { extension, size }: Format,
  to: "x" | "f",
  funct5: number,
  syntax: string,
  execute: (s: Semantics) => void,
): Instruction {
  const unit = size === 4 ? "w" : "d";
  const name = to === "x" ? `fmv.x.${unit}` : `fmv.${unit}.x`;
  const match = encoding(Opcode.OP_FP, 0, (funct5 << 2) | (size === 4 ? 0 : 1));
  return instruction(extension, name, syntax, match, Mask.FUNCT12, (s) => {
    s.useFloat();
    execute(s);
  });
}

function convertFormat(name: string, to: Format, rs2: number, execute: (s: Semantics) => void): Instruction {
  const match = encoding(Opcode.OP_FP, 0, (0x08 << 2) | to.code, rs2);
  return instruction("d", name, "fd, fs1, rm", match, FUNCT7_RS2, (s) => {
    s.useFloat();
    execute(s);
  });
}

import type { IntegerOps, Value } from "@isomorph/wasm";
import {
  DOUBLE,
  type Format,
  HALF,
  type Operation,
  operand,
  SINGLE,
  setBits,
  setResult,
} from "./float-format.ts";
import { type Addition, encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { FloatName, Semantics } from "./semantics.ts";

/** funct7 without funct3: the rounding mode is an operand. */
const FUNCT7 = 0xfe00007f;
const FUNCT7_RS2 = 0xfff0007f;

/** F, D and Zfh (unprivileged specification, chapters 20, 21 and 24), each instruction once for all formats. */
export const float: readonly Instruction[] = [
  ...[SINGLE, DOUBLE, HALF].flatMap(formatInstructions),
  narrowing(SINGLE, DOUBLE, "f64ToF32"),
  narrowing(HALF, SINGLE, "f32ToF16"),
  narrowing(HALF, DOUBLE, "f64ToF16"),
  widening(DOUBLE, SINGLE, "f32ToF64"),
  widening(SINGLE, HALF, "f16ToF32"),
  widening(DOUBLE, HALF, "f16ToF64"),
];

function formatInstructions(format: Format): Instruction[] {
  const { extension, suffix, code, prefix, size, width, unit, box } = format;
  const named = (operation: Operation): FloatName => `${prefix}.${operation}`;
  /** Zfhmin has the moves, the loads and stores and the conversions between formats. */
  const minimal: Addition | undefined = format === HALF ? "zfhmin" : undefined;
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
      "next",
      format.addition,
    );

  /** Rounded operation on two registers. */
  const arithmetic = (name: string, operation: Operation, funct5: number): Instruction =>
    op(name, "fd, fs1, fs2, rm", funct5, FUNCT7, (s) =>
      setResult(s, format, named(operation), () => {
        operand(s, format, 1);
        operand(s, format, 2);
        s.roundingMode();
      }),
    );

  /** Two registers without rounding, the result a float. */
  const selection = (name: string, operation: Operation, funct3: number): Instruction =>
    op(
      name,
      "fd, fs1, fs2",
      0x05,
      Mask.FUNCT7,
      (s) =>
        setResult(s, format, named(operation), () => {
          operand(s, format, 1);
          operand(s, format, 2);
        }),
      funct3,
    );

  const comparison = (name: string, operation: Operation, funct3: number): Instruction =>
    op(
      name,
      "rd, fs1, fs2",
      0x14,
      Mask.FUNCT7,
      (s) =>
        s.setX(
          s.float64(named(operation), () => {
            operand(s, format, 1);
            operand(s, format, 2);
          }),
        ),
      funct3,
    );

  /** fsgnj and its kin: the sign comes from `sign`, the rest from fs1. */
  const signInjection = (name: string, funct3: number, rule: SignRule): Instruction =>
    op(
      name,
      "fd, fs1, fs2",
      0x04,
      Mask.FUNCT7,
      (s) =>
        setBits(
          s,
          format,
          rule(
            carrierOps(s, format),
            () => carried(s, 1),
            () => carried(s, 2),
            signOf(format),
          ),
        ),
      funct3,
    );
  const carried = (s: Semantics, n: 1 | 2): Value<"i64"> => operand(s, format, n) as Value<"i64">;

  const toInteger = (name: string, operation: Operation, rs2: number): Instruction =>
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
            operand(s, format, 1);
            s.roundingMode();
          }),
        );
      },
      "next",
      format.addition,
    );

  const fromInteger = (name: string, operation: Operation, rs2: number): Instruction =>
    instruction(
      extension,
      `fcvt.${suffix}.${name}`,
      "fd, rs1, rm",
      encoding(Opcode.OP_FP, 0, (0x1a << 2) | code, rs2),
      FUNCT7_RS2,
      (s) => {
        s.useFloat();
        setResult(s, format, named(operation), () => {
          s.x1();
          s.roundingMode();
        });
      },
      "next",
      format.addition,
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
          const bits = operand(s, format, n);
          if (!negate) return;
          carrierOps(s, format).xor(bits as Value<"i64">, signOf(format));
        };
        setResult(s, format, named("fma"), () => {
          signed(1, negateProduct);
          signed(2, false);
          signed(3, negateAddend);
          s.roundingMode();
        });
      },
      "next",
      format.addition,
    );

  return [
    instruction(
      extension,
      `fl${unit}`,
      "fd, immI(rs1)",
      encoding(Opcode.LOAD_FP, width),
      Mask.FUNCT3,
      (s) => {
        s.useFloat();
        const value = s.load(s.address(), size, false);
        s.setF(box === 0 ? value : s.i64.or(value, box));
      },
      "next",
      minimal,
    ),
    instruction(
      extension,
      `fs${unit}`,
      "fs2, immS(rs1)",
      encoding(Opcode.STORE_FP, width),
      Mask.FUNCT3,
      (s) => {
        s.useFloat();
        s.store(s.address(), s.f(2), size);
      },
      "next",
      minimal,
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
      setResult(s, format, named("sqrt"), () => {
        operand(s, format, 1);
        s.roundingMode();
      }),
    ),
    signInjection("fsgnj", 0, (ops, a, b, sign) => ops.or(ops.and(a(), ~sign), ops.and(b(), sign))),
    signInjection("fsgnjn", 1, (ops, a, b, sign) =>
      ops.or(ops.and(a(), ~sign), ops.and(ops.xor(b(), -1), sign)),
    ),
    signInjection("fsgnjx", 2, (ops, a, b, sign) => ops.xor(a(), ops.and(b(), sign))),
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
      (s) => s.setX(s.float64(named("classify"), () => operand(s, format, 1))),
      1,
    ),
    move(format, minimal, "x", 0x1c, "rd, fs1", (s) => {
      const { i64 } = s;
      s.setX(size === 2 ? i64.extend16S(s.f(1)) : size === 4 ? i64.extend32S(s.f(1)) : s.f(1));
    }),
    move(format, minimal, "f", 0x1e, "fd, rs1", (s) => s.setF(box === 0 ? s.x1() : s.i64.or(s.x1(), box))),
  ];
}

/** A result's bits from those of two operands and the mask of the sign. */
type SignRule = (
  ops: IntegerOps<"i64">,
  a: () => Value<"i64">,
  b: () => Value<"i64">,
  sign: bigint,
) => Value<"i64">;

/** The integer instructions for the bits of a format. */
function carrierOps(s: Semantics, { suffix }: Format): IntegerOps<"i64"> {
  return (suffix === "d" ? s.i64 : s.i32) as unknown as IntegerOps<"i64">;
}

/** The mask of the sign, as a signed number of the width in which the format's bits travel. */
function signOf({ suffix, size }: Format): bigint {
  return BigInt.asIntN(suffix === "d" ? 64 : 32, 1n << BigInt(8 * size - 1));
}

/** fmv between the register files: raw bits, whatever they mean. */
function move(
  { extension, code, unit }: Format,
  addition: Addition | undefined,
  to: "x" | "f",
  funct5: number,
  syntax: string,
  execute: (s: Semantics) => void,
): Instruction {
  const name = to === "x" ? `fmv.x.${unit}` : `fmv.${unit}.x`;
  const match = encoding(Opcode.OP_FP, 0, (funct5 << 2) | code);
  return instruction(
    extension,
    name,
    syntax,
    match,
    Mask.FUNCT12,
    (s) => {
      s.useFloat();
      execute(s);
    },
    "next",
    addition,
  );
}

function convertFormat(to: Format, from: Format, execute: (s: Semantics) => void): Instruction {
  const match = encoding(Opcode.OP_FP, 0, (0x08 << 2) | to.code, from.code);
  return instruction(
    to === DOUBLE || from === DOUBLE ? "d" : "f",
    `fcvt.${to.suffix}.${from.suffix}`,
    "fd, fs1, rm",
    match,
    FUNCT7_RS2,
    (s) => {
      s.useFloat();
      execute(s);
    },
    "next",
    to === HALF || from === HALF ? "zfhmin" : undefined,
  );
}

function narrowing(to: Format, from: Format, name: FloatName): Instruction {
  return convertFormat(to, from, (s) =>
    setResult(s, to, name, () => {
      operand(s, from, 1);
      s.roundingMode();
    }),
  );
}

/** Exact, but a reserved rounding mode is illegal all the same (section 20.2). */
function widening(to: Format, from: Format, name: FloatName): Instruction {
  return convertFormat(to, from, (s) => {
    s.code.drop(s.roundingMode());
    setResult(s, to, name, () => operand(s, from, 1));
  });
}

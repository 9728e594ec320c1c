/** The operations that are compared with judges: how a guest executes each, and which function of ours does it. */
import type { FloatFunctions, FormatFunctions } from "../../src/float/index.ts";

/** What a register holds: raw bits of a format, or an integer. */
export type Kind = "f32" | "f64" | "int";

/** Where a function of ours is: the format's record and the name in it, or a name at the top. */
export type FunctionName =
  | { readonly format: "f32" | "f64"; readonly name: keyof FormatFunctions<"i32"> }
  | { readonly format: undefined; readonly name: Exclude<keyof FloatFunctions, "f32" | "f64"> };

export interface Operation {
  readonly name: string;
  readonly sources: readonly Kind[];
  readonly result: Kind;
  /** Instruction word without registers; the rounding mode, if it has one, is zero. */
  readonly word: number;
  readonly rounds: boolean;
  readonly function: FunctionName;
}

/** An operation in one rounding mode. */
export interface FloatCase {
  /** Position in {@link floatCases}: seeds the operands. */
  readonly index: number;
  readonly operation: Operation;
  readonly rm: number;
}

const OP_FP = 0x53;
const FMADD = 0x43;

function word(funct5: number, format: number, rs2 = 0, rm = 0): number {
  return ((funct5 << 27) | (format << 25) | (rs2 << 20) | (rm << 12) | OP_FP) >>> 0;
}

function operationsOf(format: "f32" | "f64"): Operation[] {
  const code = format === "f32" ? 0 : 1;
  const suffix = format === "f32" ? "s" : "d";
  const list: Operation[] = [];
  const add = (
    name: keyof FormatFunctions<"i32">,
    mnemonic: string,
    encoded: number,
    { sources = [format, format] as readonly Kind[], result = format as Kind, rounds = true } = {},
  ): void => {
    list.push({ name: mnemonic, sources, result, word: encoded, rounds, function: { format, name } });
  };
  add("add", `fadd.${suffix}`, word(0b00000, code));
  add("sub", `fsub.${suffix}`, word(0b00001, code));
  add("mul", `fmul.${suffix}`, word(0b00010, code));
  add("div", `fdiv.${suffix}`, word(0b00011, code));
  add("sqrt", `fsqrt.${suffix}`, word(0b01011, code), { sources: [format] });
  add("fma", `fmadd.${suffix}`, (FMADD | (code << 25)) >>> 0, { sources: [format, format, format] });
  add("min", `fmin.${suffix}`, word(0b00101, code, 0, 0), { rounds: false });
  add("max", `fmax.${suffix}`, word(0b00101, code, 0, 1), { rounds: false });
  add("le", `fle.${suffix}`, word(0b10100, code, 0, 0), { result: "int", rounds: false });
  add("lt", `flt.${suffix}`, word(0b10100, code, 0, 1), { result: "int", rounds: false });
  add("eq", `feq.${suffix}`, word(0b10100, code, 0, 2), { result: "int", rounds: false });
  add("classify", `fclass.${suffix}`, word(0b11100, code, 0, 1), {
    sources: [format],
    result: "int",
    rounds: false,
  });
  const integers = [
    ["I32", "w"],
    ["U32", "wu"],
    ["I64", "l"],
    ["U64", "lu"],
  ] as const;
  integers.forEach(([name, mnemonic], rs2) => {
    add(`to${name}`, `fcvt.${mnemonic}.${suffix}`, word(0b11000, code, rs2), {
      sources: [format],
      result: "int",
    });
    add(`from${name}`, `fcvt.${suffix}.${mnemonic}`, word(0b11010, code, rs2), { sources: ["int"] });
  });
  return list;
}

export const operations: readonly Operation[] = [
  ...operationsOf("f32"),
  ...operationsOf("f64"),
  {
    name: "fcvt.d.s",
    sources: ["f32"],
    result: "f64",
    word: word(0b01000, 1, 0),
    rounds: false,
    function: { format: undefined, name: "f32ToF64" },
  },
  {
    name: "fcvt.s.d",
    sources: ["f64"],
    result: "f32",
    word: word(0b01000, 0, 1),
    rounds: true,
    function: { format: undefined, name: "f64ToF32" },
  },
];

export const floatCases: readonly FloatCase[] = operations
  .flatMap((operation) => (operation.rounds ? [0, 1, 2, 3, 4] : [0]).map((rm) => ({ operation, rm })))
  .map((entry, index) => ({ ...entry, index }));

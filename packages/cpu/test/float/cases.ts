/** The operations that are compared with judges: how a guest executes each, and which function of ours does it. */
import type { FloatFunctions, FormatFunctions } from "../../src/float/index.ts";

/** What a register holds: raw bits of a format, or an integer. */
export type Kind = FormatName | "int";

/** The formats. */
export type FormatName = "f16" | "f32" | "f64";

/** Where a function of ours is: the format's record and the name in it, or a name at the top. */
export type FunctionName =
  | { readonly format: FormatName; readonly name: keyof FormatFunctions<"i32"> }
  | { readonly format: undefined; readonly name: Exclude<keyof FloatFunctions, FormatName> };

export interface Operation {
  readonly name: string;
  readonly sources: readonly Kind[];
  readonly result: Kind;
  /** Instruction word without registers; the rounding mode, if it has one, is zero. */
  readonly word: number;
  readonly rounds: boolean;
  readonly function: FunctionName;
  /** Whether QEMU 7.2 has it: not what belongs to Zfa. */
  readonly onQemu: boolean;
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

/** The fmt field and the suffix of mnemonics. */
const FORMATS = { f16: [2, "h"], f32: [0, "s"], f64: [1, "d"] } as const;

function operationsOf(format: FormatName): Operation[] {
  const [code, suffix] = FORMATS[format];
  const list: Operation[] = [];
  const add = (
    name: keyof FormatFunctions<"i32">,
    mnemonic: string,
    encoded: number,
    { sources = [format, format] as readonly Kind[], result = format as Kind, rounds = true } = {},
  ): void => {
    list.push({
      name: mnemonic,
      sources,
      result,
      word: encoded,
      rounds,
      function: { format, name },
      onQemu: true,
    });
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

/** The operations of Zfa but FLI, which has no operands. */
function additionsOf(format: FormatName): Operation[] {
  const [code, suffix] = FORMATS[format];
  const add = (
    name: keyof FormatFunctions<"i32">,
    mnemonic: string,
    encoded: number,
    { sources = [format, format] as readonly Kind[], result = format as Kind, rounds = false } = {},
  ): Operation => ({
    name: `${mnemonic}.${suffix}`,
    sources,
    result,
    word: encoded,
    rounds,
    function: { format, name },
    onQemu: false,
  });
  const rounding = { sources: [format], rounds: true };
  return [
    add("minimum", "fminm", word(0b00101, code, 0, 2)),
    add("maximum", "fmaxm", word(0b00101, code, 0, 3)),
    add("leQuiet", "fleq", word(0b10100, code, 0, 4), { result: "int" }),
    add("ltQuiet", "fltq", word(0b10100, code, 0, 5), { result: "int" }),
    add("roundToIntegral", "fround", word(0b01000, code, 4), rounding),
    add("roundToIntegralExact", "froundnx", word(0b01000, code, 5), rounding),
  ];
}

/** A conversion between formats. */
function conversion(to: FormatName, from: FormatName, name: Operation["function"]["name"]): Operation {
  const [code, suffix] = FORMATS[to];
  const [source, sourceSuffix] = FORMATS[from];
  return {
    name: `fcvt.${suffix}.${sourceSuffix}`,
    sources: [from],
    result: to,
    word: word(0b01000, code, source),
    rounds: to < from,
    function: { format: undefined, name } as FunctionName,
    onQemu: true,
  };
}

export const operations: readonly Operation[] = [
  ...operationsOf("f32"),
  ...operationsOf("f64"),
  conversion("f64", "f32", "f32ToF64"),
  conversion("f32", "f64", "f64ToF32"),
  ...operationsOf("f16"),
  conversion("f32", "f16", "f16ToF32"),
  conversion("f64", "f16", "f16ToF64"),
  conversion("f16", "f32", "f32ToF16"),
  conversion("f16", "f64", "f64ToF16"),
  ...(["f16", "f32", "f64"] as const).flatMap(additionsOf),
  {
    name: "fcvtmod.w.d",
    sources: ["f64"],
    result: "int",
    word: word(0b11000, 1, 8, 1),
    rounds: false,
    function: { format: undefined, name: "f64ToI32Modular" },
    onQemu: false,
  },
];

export const floatCases: readonly FloatCase[] = operations
  .flatMap((operation) => (operation.rounds ? [0, 1, 2, 3, 4] : [0]).map((rm) => ({ operation, rm })))
  .map((entry, index) => ({ ...entry, index }));

import { FLOAT_CONSTANTS } from "../memory-tables.ts";

/** The constants of FLI by number, as assembly writes them (unprivileged specification, chapter 25, table of FLI). */
export const CONSTANT_NAMES: readonly string[] = [
  ...["-1.0", "min", "1.52587890625e-05", "3.0517578125e-05", "0.00390625", "0.0078125", "0.0625", "0.125"],
  ...[
    "0.25",
    "0.3125",
    "0.375",
    "0.4375",
    "0.5",
    "0.625",
    "0.75",
    "0.875",
    "1.0",
    "1.25",
    "1.5",
    "1.75",
    "2.0",
  ],
  ...["2.5", "3.0", "4.0", "8.0", "16.0", "128.0", "256.0", "32768.0", "65536.0", "inf", "nan"],
];

/** The number of a constant that assembly names, or whose value it writes in another way. */
export function constantNumber(text: string): number | undefined {
  const named = CONSTANT_NAMES.indexOf(text);
  if (named >= 0) return named;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const found = CONSTANT_NAMES.findIndex((name) => Number(name) === value);
  return found >= 0 ? found : undefined;
}

/** Host address of the constants for a format: 32 registers' contents. */
export const FloatConstantTable: Readonly<Record<"h" | "s" | "d", number>> = {
  h: FLOAT_CONSTANTS,
  s: FLOAT_CONSTANTS + 256,
  d: FLOAT_CONSTANTS + 512,
};

/** The bits of a double that half precision has, or that is too large for it. */
function halfBits(value: number): bigint {
  if (value === 0) return 0n;
  const magnitude = Math.abs(value);
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  const significand = magnitude / 2 ** (exponent - 10);
  const bits = magnitude > 65504 ? 0x7c00 : (exponent + 14) * 1024 + significand;
  return BigInt(value < 0 ? bits + 0x8000 : bits);
}

/** The bytes of all tables, to put at {@link FLOAT_CONSTANTS}. */
export function floatConstants(): Uint8Array {
  const view = new DataView(new ArrayBuffer(768));
  CONSTANT_NAMES.forEach((name, number) => {
    const at = 8 * number;
    const put = (table: number, boxed: bigint): void =>
      view.setBigUint64(table - FLOAT_CONSTANTS + at, BigInt.asUintN(64, boxed), true);
    const special = { min: [0x0400n, 1n << 23n, 1n << 52n], nan: [0x7e00n, 0x7fc0_0000n, 0x7ff8n << 48n] };
    const value = name === "inf" ? Number.POSITIVE_INFINITY : Number(name);
    const scratch = new DataView(new ArrayBuffer(12));
    scratch.setFloat32(0, value);
    scratch.setFloat64(4, value);
    const [half = 0n, single = 0n, double = 0n] =
      name === "min" || name === "nan"
        ? special[name]
        : [halfBits(value), BigInt(scratch.getUint32(0)), scratch.getBigUint64(4)];
    put(FloatConstantTable.h, half - 0x1_0000n);
    put(FloatConstantTable.s, single - 0x1_0000_0000n);
    put(FloatConstantTable.d, double);
  });
  return new Uint8Array(view.buffer);
}

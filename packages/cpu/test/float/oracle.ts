/** Floating point from first principles, in rational arithmetic: slow, and written without a look at the other one. */
import type { FloatCase, FormatName, Kind } from "./cases.ts";

const NX = 1;
const UF = 2;
const OF = 4;
const DZ = 8;
const NV = 16;

const RNE = 0;
const RTZ = 1;
const RDN = 2;
const RUP = 3;

interface Format {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const FORMATS: Readonly<Record<FormatName, Format>> = {
  f16: { exponentBits: 5, fractionBits: 10 },
  f32: { exponentBits: 8, fractionBits: 23 },
  f64: { exponentBits: 11, fractionBits: 52 },
};

/** A positive fraction. */
interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

type Datum =
  | { readonly kind: "nan"; readonly signaling: boolean }
  | { readonly kind: "infinity"; readonly negative: boolean }
  | { readonly kind: "zero"; readonly negative: boolean }
  | ({ readonly kind: "finite"; readonly negative: boolean } & Rational);

export interface Outcome {
  readonly bits: bigint;
  readonly flags: number;
}

const powerOfTwo = (exponent: number): Rational =>
  exponent >= 0
    ? { numerator: 1n << BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: 1n << BigInt(-exponent) };

const times = (a: Rational, b: Rational): Rational => ({
  numerator: a.numerator * b.numerator,
  denominator: a.denominator * b.denominator,
});

const bitLength = (value: bigint): number => value.toString(2).length;

function limits({ exponentBits }: Format): { readonly lowest: number; readonly highest: number } {
  const highest = 2 ** (exponentBits - 1) - 1;
  return { lowest: 1 - highest, highest };
}

function decode(format: Format, bits: bigint): Datum {
  const { exponentBits, fractionBits } = format;
  const negative = bits >> BigInt(exponentBits + fractionBits) === 1n;
  const exponent = Number((bits >> BigInt(fractionBits)) & ((1n << BigInt(exponentBits)) - 1n));
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n);
  if (exponent === 2 ** exponentBits - 1) {
    if (fraction === 0n) return { kind: "infinity", negative };
    return { kind: "nan", signaling: fraction >> BigInt(fractionBits - 1) === 0n };
  }
  if (exponent === 0 && fraction === 0n) return { kind: "zero", negative };
  const significand = exponent === 0 ? fraction : fraction + (1n << BigInt(fractionBits));
  const scale = powerOfTwo(Math.max(exponent, 1) - 1 + limits(format).lowest - fractionBits);
  return { kind: "finite", negative, ...times({ numerator: significand, denominator: 1n }, scale) };
}

const signBit = ({ exponentBits, fractionBits }: Format, negative: boolean): bigint =>
  negative ? 1n << BigInt(exponentBits + fractionBits) : 0n;

const infinity = (format: Format, negative: boolean): bigint =>
  signBit(format, negative) | (((1n << BigInt(format.exponentBits)) - 1n) << BigInt(format.fractionBits));

const nan = (format: Format): bigint => infinity(format, false) | (1n << BigInt(format.fractionBits - 1));

/** To an integer; also tells whether something was lost. */
function roundToInteger(value: Rational, negative: boolean, rm: number): { whole: bigint; inexact: boolean } {
  const whole = value.numerator / value.denominator;
  const rest = value.numerator % value.denominator;
  if (rest === 0n) return { whole, inexact: false };
  const against = rest * 2n - value.denominator;
  let up: boolean;
  if (rm === RTZ) up = false;
  else if (rm === RDN) up = negative;
  else if (rm === RUP) up = !negative;
  else if (against !== 0n) up = against > 0n;
  else up = rm === RNE ? whole % 2n === 1n : true;
  return { whole: up ? whole + 1n : whole, inexact: true };
}

/** The exponent e with 2^e <= value < 2^(e+1). */
function exponentOf(value: Rational): number {
  const guess = bitLength(value.numerator) - bitLength(value.denominator);
  const { numerator, denominator } = times(value, powerOfTwo(-guess));
  return numerator >= denominator ? guess : guess - 1;
}

function round(format: Format, value: Rational, negative: boolean, rm: number): Outcome {
  const { fractionBits } = format;
  const { lowest, highest } = limits(format);
  const exponent = exponentOf(value);
  // As if there were no limits to the exponent.
  const free = roundToInteger(times(value, powerOfTwo(fractionBits - exponent)), negative, rm);
  const freeExponent = exponent + (free.whole === 1n << BigInt(fractionBits + 1) ? 1 : 0);
  if (freeExponent > highest) {
    const goesToInfinity = rm === RDN ? negative : rm === RUP ? !negative : rm !== RTZ;
    return { bits: infinity(format, negative) - (goesToInfinity ? 0n : 1n), flags: OF | NX };
  }
  const quantum = Math.max(exponent, lowest) - fractionBits;
  const { whole, inexact } = roundToInteger(times(value, powerOfTwo(-quantum)), negative, rm);
  const field = BigInt(Math.max(exponent, lowest) - lowest) << BigInt(fractionBits);
  const flags = inexact ? NX | (freeExponent < lowest ? UF : 0) : 0;
  return { bits: signBit(format, negative) + field + whole, flags };
}

/** The sum of signed values; undefined if it is zero. */
function sum(a: Datum, b: Datum): (Rational & { negative: boolean }) | undefined {
  const term = (datum: Datum): Rational =>
    datum.kind === "finite"
      ? { numerator: datum.negative ? -datum.numerator : datum.numerator, denominator: datum.denominator }
      : { numerator: 0n, denominator: 1n };
  const x = term(a);
  const y = term(b);
  const numerator = x.numerator * y.denominator + y.numerator * x.denominator;
  if (numerator === 0n) return undefined;
  const negative = numerator < 0n;
  return {
    negative,
    numerator: negative ? -numerator : numerator,
    denominator: x.denominator * y.denominator,
  };
}

const invalid = (format: Format): Outcome => ({ bits: nan(format), flags: NV });

function nanOutcome(format: Format, data: readonly Datum[]): Outcome | undefined {
  if (!data.some(({ kind }) => kind === "nan")) return undefined;
  const signaling = data.some((datum) => datum.kind === "nan" && datum.signaling);
  return { bits: nan(format), flags: signaling ? NV : 0 };
}

const isNegative = (datum: Datum): boolean => datum.kind !== "nan" && datum.negative;

function negated(datum: Datum): Datum {
  return datum.kind === "nan" ? datum : { ...datum, negative: !datum.negative };
}

function add(format: Format, a: Datum, b: Datum, rm: number): Outcome {
  const special = nanOutcome(format, [a, b]);
  if (special !== undefined) return special;
  if (a.kind === "infinity" && b.kind === "infinity" && isNegative(a) !== isNegative(b))
    return invalid(format);
  for (const datum of [a, b]) {
    if (datum.kind === "infinity") return { bits: infinity(format, datum.negative), flags: 0 };
  }
  const total = sum(a, b);
  if (total !== undefined) return round(format, total, total.negative, rm);
  const bothNegative = isNegative(a) && isNegative(b);
  const unlike = isNegative(a) !== isNegative(b);
  return { bits: signBit(format, bothNegative || (unlike && rm === RDN)), flags: 0 };
}

/** The exact product of non-NaNs; undefined for infinity times zero. */
function product(a: Datum, b: Datum): Datum | undefined {
  const negative = isNegative(a) !== isNegative(b);
  const kinds = [a.kind, b.kind];
  if (kinds.includes("infinity")) return kinds.includes("zero") ? undefined : { kind: "infinity", negative };
  if (a.kind !== "finite" || b.kind !== "finite") return { kind: "zero", negative };
  return { kind: "finite", negative, ...times(a, b) };
}

function encode(format: Format, datum: Datum, rm: number): Outcome {
  if (datum.kind === "finite") return round(format, datum, datum.negative, rm);
  if (datum.kind === "infinity") return { bits: infinity(format, datum.negative), flags: 0 };
  if (datum.kind === "zero") return { bits: signBit(format, datum.negative), flags: 0 };
  return { bits: nan(format), flags: datum.signaling ? NV : 0 };
}

function fused(format: Format, a: Datum, b: Datum, c: Datum, rm: number): Outcome {
  const multiplied = a.kind === "nan" || b.kind === "nan" ? a : product(a, b);
  if (multiplied === undefined) return invalid(format);
  return nanOutcome(format, [a, b, c]) ?? add(format, multiplied, c, rm);
}

function divide(format: Format, a: Datum, b: Datum, rm: number): Outcome {
  const special = nanOutcome(format, [a, b]);
  if (special !== undefined) return special;
  const negative = isNegative(a) !== isNegative(b);
  if (a.kind === b.kind && a.kind !== "finite") return invalid(format);
  if (a.kind === "infinity") return { bits: infinity(format, negative), flags: 0 };
  if (b.kind === "zero") return { bits: infinity(format, negative), flags: DZ };
  if (a.kind !== "finite" || b.kind !== "finite") return { bits: signBit(format, negative), flags: 0 };
  const inverse = { numerator: b.denominator, denominator: b.numerator };
  return round(format, times(a, inverse), negative, rm);
}

/** Largest integer whose square is not above `value`. */
function integerRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const better = (root + value / root) >> 1n;
    if (better >= root) return root;
    root = better;
  }
}

function squareRoot(format: Format, a: Datum, rm: number): Outcome {
  if (a.kind === "nan" || a.kind === "zero") return encode(format, a, rm);
  if (a.negative) return invalid(format);
  if (a.kind === "infinity") return encode(format, a, rm);
  // Scaled by an even power so that the root has many more bits than the format; one more stands for the rest.
  const scale = 160 - Math.floor(exponentOf(a) / 2) * 2;
  const { numerator, denominator } = times(a, powerOfTwo(scale));
  const floor = integerRoot(numerator / denominator);
  const exact = floor * floor * denominator === numerator;
  const approximation = { numerator: floor * 2n + (exact ? 0n : 1n), denominator: 2n };
  return round(format, times(approximation, powerOfTwo(-scale / 2)), false, rm);
}

/** Positions on the line of numbers, zeros being equal. */
function compare(a: Datum, b: Datum): number {
  if (a.kind === "infinity" || b.kind === "infinity") {
    const place = (datum: Datum): number => (datum.kind !== "infinity" ? 0 : datum.negative ? -1 : 1);
    return place(a) - place(b);
  }
  const difference = sum(a, negated(b));
  return difference === undefined ? 0 : difference.negative ? -1 : 1;
}

function toInteger(a: Datum, bits: number, signed: boolean, rm: number): Outcome {
  const max = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  const min = signed ? -max - 1n : 0n;
  const register = (value: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(bits, value));
  if (a.kind === "nan") return { bits: register(max), flags: NV };
  if (a.kind === "infinity") return { bits: register(a.negative ? min : max), flags: NV };
  if (a.kind === "zero") return { bits: 0n, flags: 0 };
  const { whole, inexact } = roundToInteger(a, a.negative, rm);
  const value = a.negative ? -whole : whole;
  if (value > max || value < min) return { bits: register(a.negative ? min : max), flags: NV };
  return { bits: register(value), flags: inexact ? NX : 0 };
}

function modular(a: Datum): Outcome {
  const { flags } = toInteger(a, 32, true, RTZ);
  if (a.kind !== "finite") return { bits: 0n, flags };
  const { whole } = roundToInteger(a, a.negative, RTZ);
  return { bits: BigInt.asUintN(64, BigInt.asIntN(32, a.negative ? -whole : whole)), flags };
}

function toIntegral(format: Format, a: Datum, exact: boolean, rm: number): Outcome {
  if (a.kind !== "finite") return encode(format, a, rm);
  const { whole, inexact } = roundToInteger(a, a.negative, rm);
  const flags = exact && inexact ? NX : 0;
  if (whole === 0n) return { bits: signBit(format, a.negative), flags };
  return { bits: round(format, { numerator: whole, denominator: 1n }, a.negative, rm).bits, flags };
}

function fromInteger(format: Format, register: bigint, bits: number, signed: boolean, rm: number): Outcome {
  const value = signed ? BigInt.asIntN(bits, register) : BigInt.asUintN(bits, register);
  if (value === 0n) return { bits: 0n, flags: 0 };
  return round(format, { numerator: value < 0n ? -value : value, denominator: 1n }, value < 0n, rm);
}

function classify(format: Format, datum: Datum): number {
  if (datum.kind === "nan") return datum.signaling ? 8 : 9;
  const { numerator, denominator } = powerOfTwo(limits(format).lowest);
  const isNormal = datum.kind === "finite" && datum.numerator * denominator >= numerator * datum.denominator;
  const size = datum.kind === "infinity" ? 3 : datum.kind === "zero" ? 0 : isNormal ? 2 : 1;
  return datum.negative ? 3 - size : 4 + size;
}

function select(format: Format, name: "min" | "max", bits: readonly bigint[]): Outcome {
  const [a, b] = bits.map((operand) => decode(format, operand)) as [Datum, Datum];
  const flags = nanOutcome(format, [a, b])?.flags ?? 0;
  if (a.kind === "nan") return { bits: b.kind === "nan" ? nan(format) : bits[1]!, flags };
  if (b.kind === "nan") return { bits: bits[0]!, flags };
  const order = compare(a, b) || Number(isNegative(b)) - Number(isNegative(a));
  return { bits: order < 0 === (name === "min") ? bits[0]! : bits[1]!, flags };
}

function compareOutcome(format: Format, name: "eq" | "lt" | "le", a: Datum, b: Datum): Outcome {
  const unordered = nanOutcome(format, [a, b]);
  if (unordered !== undefined) return { bits: 0n, flags: name === "eq" ? unordered.flags : NV };
  const order = compare(a, b);
  const holds = name === "eq" ? order === 0 : name === "lt" ? order < 0 : order <= 0;
  return { bits: holds ? 1n : 0n, flags: 0 };
}

const INTEGERS: Readonly<Record<string, readonly [number, boolean]>> = {
  I32: [32, true],
  U32: [32, false],
  I64: [64, true],
  U64: [64, false],
};

const widths: Readonly<Record<Kind, number>> = { f16: 16, f32: 32, f64: 64, int: 64 };

/** What an operation gives for these register contents: integers of 64 bits, floats in their own width. */
export function expected({ operation, rm }: FloatCase, registers: readonly bigint[]): Outcome {
  const { sources, function: target } = operation;
  const bits = registers
    .slice(0, sources.length)
    .map((value, i) => BigInt.asUintN(widths[sources[i]!], value));
  if (target.format === undefined) {
    if (target.name === "f64ToI32Modular") return modular(decode(FORMATS.f64, bits[0]!));
    const [from, to] = target.name.toLowerCase().split("to") as [FormatName, FormatName];
    return encode(FORMATS[to], decode(FORMATS[from], bits[0]!), rm);
  }
  const format = FORMATS[target.format];
  const { name } = target;
  if (name.startsWith("from")) return fromInteger(format, bits[0]!, ...INTEGERS[name.slice(4)]!, rm);
  const [a, b, c] = bits.map((operand) => decode(format, operand)) as [Datum, Datum, Datum];
  if (name.startsWith("to")) return toInteger(a, ...INTEGERS[name.slice(2)]!, rm);
  switch (name) {
    case "add":
      return add(format, a, b, rm);
    case "sub":
      return add(format, a, negated(b), rm);
    case "mul":
      return (
        nanOutcome(format, [a, b]) ?? encode(format, product(a, b) ?? { kind: "nan", signaling: true }, rm)
      );
    case "div":
      return divide(format, a, b, rm);
    case "sqrt":
      return squareRoot(format, a, rm);
    case "fma":
      return fused(format, a, b, c, rm);
    case "roundToIntegral":
    case "roundToIntegralExact":
      return toIntegral(format, a, name === "roundToIntegralExact", rm);
    case "minimum":
    case "maximum":
      return nanOutcome(format, [a, b]) ?? select(format, name === "minimum" ? "min" : "max", bits);
    case "leQuiet":
    case "ltQuiet":
      return nanOutcome(format, [a, b]) === undefined
        ? compareOutcome(format, name === "leQuiet" ? "le" : "lt", a, b)
        : compareOutcome(format, "eq", a, b);
    case "min":
    case "max":
      return select(format, name, bits);
    case "eq":
    case "lt":
    case "le":
      return compareOutcome(format, name, a, b);
    case "classify":
      return { bits: 1n << BigInt(classify(format, a)), flags: 0 };
    default:
      throw new RangeError(`unknown operation ${name}`);
  }
}

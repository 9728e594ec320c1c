/**
 * Operands for comparisons with judges. Both sides make them from the same recipe, so that nothing but checksums
 * has to be exchanged: a linear congruential generator gives random words, and an entry of a table of 256 turns a
 * word into an operand: `(random & and) ^ flip ^ (previous & copy)`, `previous` being the operand before (for the
 * third one the rounded product of the first two). What is tested often is what the tables have many entries for.
 */
import type { Kind } from "./cases.ts";

interface Entry {
  readonly and: bigint;
  readonly flip: bigint;
  readonly copy: bigint;
}

const ENTRIES = 256;
/** Bytes of an entry: three little-endian words and a gap. */
const ENTRY_SIZE = 32;

/** The generator: `state = state * MULTIPLIER + INCREMENT`, and a word is `state ^ state >> 32`. */
export const MULTIPLIER = 6364136223846793005n;
export const INCREMENT = 1442695040888963407n;
/** Of the checksum: `sum = (sum + result) * MIX ^ flags`, then `sum ^= sum >> 32`. */
export const MIX = 0x9e3779b97f4a7c15n;

const WORD = (1n << 64n) - 1n;

const ones = (count: number): bigint => (1n << BigInt(count)) - 1n;

function floatEntries(exponentBits: number, fractionBits: number): Entry[] {
  const shift = BigInt(fractionBits);
  const sign = 1n << BigInt(exponentBits + fractionBits);
  const fraction = ones(fractionBits);
  const maxExponent = 2 ** exponentBits - 1;
  const bias = (maxExponent - 1) / 2;
  const all = sign | (BigInt(maxExponent) << shift) | fraction;
  const at = (exponent: number): bigint => BigInt(exponent) << shift;
  const entries: Entry[] = [];
  const add = (and: bigint, flip: bigint, copy = 0n): void => {
    entries.push({ and, flip, copy });
  };

  // Values of their own, of either sign.
  const half = 1n << (shift - 1n);
  const specials = [
    0n,
    1n,
    2n,
    half,
    fraction,
    at(1),
    at(1) | 1n,
    at(1) | fraction,
    at(2),
    at(bias - 1),
    at(bias - 1) - 1n,
    at(bias),
    at(bias) | 1n,
    at(bias) - 1n,
    at(bias) | half,
    at(bias + 1),
    at(bias + 1) | (half >> 1n),
    at(maxExponent - 2),
    at(maxExponent - 1),
    at(maxExponent) - 1n,
    at(maxExponent) - 2n,
    at(maxExponent),
    at(maxExponent) | half,
    at(maxExponent) | half | 1n,
    at(maxExponent) | 1n,
    at(maxExponent) | (half - 1n),
  ];
  for (const special of specials) add(sign, special);
  // Around the limits of the integers.
  for (const power of [31, 32, 63, 64]) {
    const exponent = bias + power;
    if (exponent >= maxExponent) continue;
    add(sign, at(exponent));
    add(sign, at(exponent) - 1n);
    add(sign | 3n, at(exponent));
    const unit = fractionBits - power;
    if (unit > 1) {
      // Halves below and above the limit.
      const ulp = 1n << BigInt(unit);
      add(sign | ulp | (ulp >> 1n) | (ulp >> 2n), at(exponent) - ulp);
      add(sign | (ulp >> 1n) | 1n, at(exponent));
      add(sign | (ulp >> 1n) | 1n, at(exponent - 1) | (fraction & ~(ulp - 1n)));
    }
  }
  // Integers and halves: conversions tie.
  for (let power = 0; power < Math.min(fractionBits, 62); power += 4) {
    add(sign | (fraction & ~(ones(fractionBits - power) >> 2n)), at(bias + power));
  }
  // Any fraction near exponents that matter, a few of which differ in the low exponent bits.
  for (const exponent of [0, 1, 2, bias - 1, bias, bias + 1, maxExponent - 2, maxExponent - 1, maxExponent]) {
    add(sign | fraction, at(exponent));
    add(sign | ones(8), at(exponent));
    add(sign | ones(8), at(exponent) | (fraction & ~ones(8)));
    add(sign | (fraction & ~ones(fractionBits - 6)), at(exponent));
    add(sign | (fraction & ~ones(fractionBits >> 1)), at(exponent));
  }
  // Exponents around one, around both ends and around half of either: products and quotients at the limits.
  for (const low of [2, 3, 5, 6].filter((bits) => bits < exponentBits - 1)) {
    const spread = ones(low) << shift;
    for (const center of [0, bias >> 1, bias, bias + (bias >> 1), maxExponent]) {
      const base = Math.min(Math.max(center - 2 ** (low - 1), 0), maxExponent - 2 ** low + 1);
      const aligned = at(base - (base % 2 ** low));
      add(sign | spread | fraction, aligned);
      add(sign | spread | (fraction & ~ones(fractionBits - 8)), aligned);
      add(sign | spread | ones(4), aligned | (fraction & ~ones(4)));
    }
  }
  // Close to the operand before: cancellation, equal values, exact quotients.
  const before = all;
  for (const changed of [0n, sign, ones(2), sign | ones(1), sign | ones(6), sign | fraction, at(1), at(3)]) {
    for (let times = 0; times < 3; times++) add(changed, 0n, before);
    add(changed, sign, before);
  }
  // One to some places below the operand before, with the same or another fraction.
  for (const distance of [1, 3, 7, 15, 31, 63].filter((mask) => mask < maxExponent)) {
    add(sign | at(distance), 0n, before);
    add(sign | at(distance) | fraction, 0n, before);
  }
  // Fractions with few bits set in all or a few exponents.
  for (let bits = 0; bits < fractionBits && entries.length < 216; bits += 2) {
    add(sign | (ones(exponentBits) << shift) | (fraction & ~ones(fractionBits - bits)), 0n);
    add(sign | at(3) | (fraction & ~ones(fractionBits - bits)), at(bias - 1 - ((bias - 1) % 4)));
  }
  // The rest is uniform.
  while (entries.length < ENTRIES) add(all, 0n);
  if (entries.length > ENTRIES) throw new RangeError(`${entries.length} entries`);
  return entries;
}

function integerEntries(): Entry[] {
  const entries: Entry[] = [];
  const add = (and: bigint, flip: bigint): void => {
    entries.push({ and, flip: flip & WORD, copy: 0n });
  };
  for (let bits = 0; bits <= 64; bits++) add(ones(bits), 0n);
  for (let bits = 1; bits < 64; bits += 2) add(ones(bits), WORD);
  for (const bits of [24, 25, 31, 32, 53, 54, 62, 63]) {
    // Around powers of two: ties at the end of a significand.
    const power = 1n << BigInt(bits);
    add(3n, power - 2n);
    add(3n, -(power - 2n));
    add(ones(bits >> 1) << BigInt(bits - (bits >> 1)), 0n);
    for (const significant of [24, 53]) {
      const low = bits - significant;
      if (low < 1) continue;
      const tie = 1n << BigInt(low - 1);
      add(ones(bits) & ~(tie - 1n), tie);
      add(ones(bits) & ~(tie - 1n), (tie - 1n) | power);
      add((ones(bits) & ~(tie - 1n)) | 1n, -power);
    }
  }
  for (let byte = 0; byte < 64; byte += 8) add(0xffn << BigInt(byte), 0n);
  while (entries.length < ENTRIES) add(WORD, 0n);
  if (entries.length > ENTRIES) throw new RangeError(`${entries.length} entries`);
  return entries;
}

/** The tables, in the order in which {@link tableBytes} has them. */
const TABLES: Readonly<Record<Kind, readonly Entry[]>> = {
  f32: floatEntries(8, 23),
  f64: floatEntries(11, 52),
  int: integerEntries(),
  f16: floatEntries(5, 10),
};

const KINDS = ["f32", "f64", "int", "f16"] as const;

/** Byte offset of a table in {@link tableBytes}. */
export function tableOffset(kind: Kind): number {
  return KINDS.indexOf(kind) * ENTRIES * ENTRY_SIZE;
}

export function tableBytes(): Uint8Array {
  const words = new BigUint64Array((KINDS.length * ENTRIES * ENTRY_SIZE) / 8);
  for (const kind of KINDS) {
    TABLES[kind].forEach(({ and, flip, copy }, index) => {
      words.set([and, flip, copy], (tableOffset(kind) + index * ENTRY_SIZE) / 8);
    });
  }
  return new Uint8Array(words.buffer);
}

/** The generator's state at the start of a block of a case. */
export function blockSeed(caseIndex: number, block: number): bigint {
  return (BigInt(caseIndex * 65536 + block + 1) * MIX) & WORD;
}

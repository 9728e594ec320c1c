import type { Random } from "../random.ts";

const CORNERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 8n, 31n, 32n, 63n, 64n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn],
  ...[0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 32n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n],
  ...[
    -2n,
    -128n,
    -129n,
    -0x8000n,
    -0x8000_0000n,
    -0x8000_0001n,
    0x5555_5555_5555_5555n,
    0xaaaa_aaaa_aaaa_aaaan,
  ],
];

/** A value for an integer register: corner cases, narrow and wide numbers. */
export function integerValue(random: Random): bigint {
  switch (random.below(4)) {
    case 0:
      return BigInt.asUintN(64, random.pick(CORNERS));
    case 1:
      return BigInt.asUintN(64, BigInt.asIntN(32, BigInt(random.bits())));
    case 2:
      return random.bits64() >> BigInt(random.below(64));
    default:
      return random.bits64();
  }
}

/** Bits of a float with `exponent` and `fraction` bits: zeros, subnormals, ordinary and special ones. */
function floatBits(random: Random, exponent: bigint, fraction: bigint): bigint {
  const ones = (1n << exponent) - 1n;
  const full = (1n << fraction) - 1n;
  const sign = BigInt(random.below(2)) << (exponent + fraction);
  const mantissa = random.pick([0n, 1n, full, full - 1n, 1n << (fraction - 1n), random.bits64() & full]);
  const bias = ones >> 1n;
  const power = random.pick([
    ...[0n, 0n, 1n, ones, ones, ones - 1n, bias, bias, bias - 1n, bias + 1n],
    ...[bias + fraction, bias + 31n, bias + 32n, bias + 63n, bias - fraction, bias - 1n - fraction],
    random.bits64() & ones,
  ]);
  return sign | ((power & ones) << fraction) | mantissa;
}

/** A value for a floating-point register: a double, a single or a half, most of them boxed. */
export function floatValue(random: Random): bigint {
  switch (random.below(7)) {
    case 0:
    case 1:
      return floatBits(random, 11n, 52n);
    case 2:
      return random.bits64();
    case 3:
    case 4:
      return (
        (random.oneIn(12) ? random.bits64() & ~0xffffn : 0xffff_ffff_ffff_0000n) | floatBits(random, 5n, 10n)
      );
    default:
      return (
        (random.oneIn(12) ? random.bits64() & ~0xffff_ffffn : 0xffff_ffff_0000_0000n) |
        floatBits(random, 8n, 23n)
      );
  }
}

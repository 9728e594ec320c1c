import { describe, expect, test } from "vitest";
import { attempt, DATA, type Ending, TIERS, type Tier } from "./machine.ts";

/** The example vectors of the standards, computed by guest programs that are made of the new instructions. */

/** A doubleword as memory has these bytes. */
function littleEndian(hex: string): bigint {
  return BigInt(`0x${(hex.match(/../g) as string[]).toReversed().join("")}`);
}

const halves = (hex: string): bigint[] => (hex.match(/.{16}/g) as string[]).map(littleEndian);

function run(tier: Tier, body: string): Ending {
  const ending = attempt({ tier, mode: "user", body });
  expect(ending.cause).toBe("completed");
  return ending;
}

const KEYS = DATA;

/** Leaves the round keys at {@link KEYS}; their number is that of rounds, and one. */
function aesKeys(key: string): { source: string; count: number } {
  const words = halves(key);
  const count = words.length;
  const register = (index: number): string => `s${4 + index}`;
  const lines = words.map((value, index) => `li ${register(index)}, ${value}`);
  lines.push(`li s2, ${KEYS}`);
  const rounds = 6 + 2 * count;
  const needed = 2 * (rounds + 1);
  const store = (stored: number): string[] =>
    Array.from({ length: Math.min(count, needed - stored) }, (_, index) => [
      `sd ${register(index)}, 0(s2)`,
      "addi s2, s2, 8",
    ]).flat();
  lines.push(...store(0));
  for (let stored = count, round = 0; stored < needed; stored += count, round++) {
    lines.push(`aes64ks1i t2, ${register(count - 1)}, ${round}`);
    for (let index = 0; index < count; index++) {
      // A 256-bit key has a substitution in the middle too.
      if (count === 4 && index === 2) lines.push(`aes64ks1i t2, ${register(1)}, 10`);
      const previous = index === 0 || (count === 4 && index === 2) ? "t2" : register(index - 1);
      lines.push(`aes64ks2 ${register(index)}, ${previous}, ${register(index)}`);
    }
    lines.push(...store(stored));
  }
  return { source: lines.join("\n"), count: rounds + 1 };
}

const addKey = (round: number, inverse = false): string => `
  li s2, ${KEYS + 16 * round}
  ld t2, 0(s2)
  ld t3, 8(s2)
  ${inverse ? "aes64im t2, t2\n aes64im t3, t3" : ""}
  xor a0, a0, t2
  xor a1, a1, t3`;

const step = (name: string): string => `${name} a2, a0, a1\n ${name} a1, a1, a0\n mv a0, a2`;

function encrypt(key: string, block: string): string {
  const { source, count } = aesKeys(key);
  const [low, high] = halves(block);
  const rounds = Array.from({ length: count - 2 }, (_, index) => [
    step("aes64esm"),
    addKey(index + 1),
  ]).flat();
  return [
    source,
    `li a0, ${low}\n li a1, ${high}`,
    addKey(0),
    ...rounds,
    step("aes64es"),
    addKey(count - 1),
  ].join("\n");
}

function decrypt(key: string, block: string): string {
  const { source, count } = aesKeys(key);
  const [low, high] = halves(block);
  const rounds = Array.from({ length: count - 2 }, (_, index) => [
    step("aes64dsm"),
    addKey(count - 2 - index, true),
  ]).flat();
  return [
    source,
    `li a0, ${low}\n li a1, ${high}`,
    addKey(count - 1),
    ...rounds,
    step("aes64ds"),
    addKey(0),
  ].join("\n");
}

const PLAIN = "00112233445566778899aabbccddeeff";
const AES = [
  ["C.1", "000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a"],
  ["C.2", "000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191"],
  [
    "C.3",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "8ea2b7ca516745bfeafc49904b496089",
  ],
] as const;

/** The two variants of SHA-2 that have instructions. */
interface Sha2 {
  readonly bits: 32 | 64;
  readonly name: "sha256" | "sha512";
  readonly rounds: number;
}

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}

/** The first bits of the fractional part of a root of a prime (FIPS 180-4, sections 4.2 and 5.3). */
function rootFraction(prime: number, degree: 2 | 3, bits: number): bigint {
  const value = BigInt(prime) << BigInt(degree * bits);
  let low = 0n;
  let high = 1n << BigInt(bits + 10);
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(degree) <= value) low = middle;
    else high = middle;
  }
  return low & mask(bits);
}

/** A program that compresses one block and leaves the eight words of the hash at {@link DATA}. */
function sha2({ bits, name, rounds }: Sha2, block: readonly bigint[]): string {
  const size = bits / 8;
  const [load, store, add] = bits === 32 ? ["lw", "sw", "addw"] : ["ld", "sd", "add"];
  const state = ["s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"];
  const initial = primes(8).map((prime) => rootFraction(prime, 2, bits));
  const lines = [`li s2, ${DATA}`, `li s3, ${DATA + 1024}`];
  block.forEach((value, t) => {
    lines.push(`li t2, ${value}`, `${store} t2, ${size * t}(s2)`);
  });
  initial.forEach((value, index) => {
    lines.push(`li ${state[index]}, ${value}`);
    if (bits === 32) lines.push(`sext.w ${state[index]}, ${state[index]}`);
  });
  const constants = primes(rounds).map((prime) => rootFraction(prime, 3, bits));
  for (let t = 0; t < rounds; t++) {
    if (t >= 16) {
      const w = (back: number): string => `${size * (t - back)}(s2)`;
      lines.push(`${load} t2, ${w(2)}`, `${name}sig1 t2, t2`, `${load} t3, ${w(7)}`, `${add} t2, t2, t3`);
      lines.push(`${load} t3, ${w(15)}`, `${name}sig0 t3, t3`, `${add} t2, t2, t3`);
      lines.push(`${load} t3, ${w(16)}`, `${add} t2, t2, t3`, `${store} t2, ${size * t}(s2)`);
    }
    const [a, b, c, d, e, f, g, h] = state.map((_, index) => state[(index + 8 * rounds - t) % 8]);
    lines.push(
      `${load} t2, ${size * t}(s2)`,
      `li t3, ${constants[t]}`,
      `${add} t2, t2, t3`,
      `${add} t2, t2, ${h}`,
    );
    lines.push(`${name}sum1 t3, ${e}`, `${add} t2, t2, t3`);
    lines.push(`and t3, ${e}, ${f}`, `andn t4, ${g}, ${e}`, "xor t3, t3, t4", `${add} t2, t2, t3`);
    lines.push(`${add} ${d}, ${d}, t2`);
    lines.push(`${name}sum0 t3, ${a}`, `${add} t2, t2, t3`);
    lines.push(
      `and t3, ${a}, ${b}`,
      `and t4, ${a}, ${c}`,
      "xor t3, t3, t4",
      `and t4, ${b}, ${c}`,
      "xor t3, t3, t4",
    );
    lines.push(`${add} ${h}, t2, t3`);
  }
  // After a multiple of eight rounds the registers have their names again.
  initial.forEach((value, index) => {
    lines.push(`li t2, ${value}`, `${add} t2, t2, ${state[index]}`, `sd t2, ${8 * index}(s3)`);
  });
  return lines.join("\n");
}

/** A message of less than one block, padded. */
function padded(message: string, bits: 32 | 64): bigint[] {
  const bytes = new Uint8Array(2 * bits);
  const data = new TextEncoder().encode(message);
  bytes.set(data);
  bytes[data.length] = 0x80;
  new DataView(bytes.buffer).setUint32(bytes.length - 4, 8 * data.length);
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return (text.match(new RegExp(`.{${bits / 4}}`, "g")) as string[]).map((word) => BigInt(`0x${word}`));
}

const SHA2 = [
  [
    { bits: 32, name: "sha256", rounds: 64 },
    "abc",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  ],
  [
    { bits: 64, name: "sha512", rounds: 80 },
    "abc",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  ],
] as const;

const swapped = (word: bigint): bigint =>
  BigInt(`0x${(word.toString(16).padStart(8, "0").match(/../g) as string[]).toReversed().join("")}`);

/** SM4 with its words in memory order: one block, with the key expanded on the way. */
function sm4(key: string, block: string): string {
  const wordsOf = (hex: string): bigint[] =>
    (hex.match(/.{8}/g) as string[]).map((word) => littleEndian(word));
  const system = [0xa3b1bac6n, 0x56aa3350n, 0x677d9197n, 0xb27022dcn].map(swapped);
  const lines: string[] = [];
  wordsOf(block).forEach((value, index) => {
    lines.push(`li s${4 + index}, ${value}`);
  });
  wordsOf(key).forEach((value, index) => {
    lines.push(`li s${8 + index}, ${value ^ (system[index] as bigint)}`);
  });
  for (let round = 0; round < 32; round++) {
    const [k0, k1, k2, k3] = [0, 1, 2, 3].map((index) => `s${8 + ((round + index) & 3)}`);
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((index) => `s${4 + ((round + index) & 3)}`);
    const constant = [0, 1, 2, 3].reduce(
      (sum, byte) => sum | (BigInt(((4 * round + byte) * 7) & 255) << BigInt(8 * byte)),
      0n,
    );
    lines.push(`li t2, ${constant}`, `xor t2, t2, ${k1}`, `xor t2, t2, ${k2}`, `xor t2, t2, ${k3}`);
    for (let byte = 0; byte < 4; byte++) lines.push(`sm4ks ${k0}, ${k0}, t2, ${byte}`);
    lines.push(`xor t2, ${k0}, ${x1}`, `xor t2, t2, ${x2}`, `xor t2, t2, ${x3}`);
    for (let byte = 0; byte < 4; byte++) lines.push(`sm4ed ${x0}, ${x0}, t2, ${byte}`);
  }
  // The last four words in reverse order.
  lines.push("pack a0, s7, s6", "pack a1, s5, s4");
  return lines.join("\n");
}

describe.each(TIERS)("$name", (tier) => {
  test.each(AES)("FIPS 197, %s: AES with the key %s", (_, key, cipher) => {
    const encrypted = run(tier, encrypt(key, PLAIN));
    expect([encrypted.x("a0"), encrypted.x("a1")]).toEqual(halves(cipher));
    const decrypted = run(tier, decrypt(key, cipher));
    expect([decrypted.x("a0"), decrypted.x("a1")]).toEqual(halves(PLAIN));
  });

  test.each(SHA2)("FIPS 180-4: $name of %s", (variant, message, digest) => {
    const ending = run(tier, sha2(variant, padded(message, variant.bits)));
    const words = Array.from({ length: 8 }, (_, index) =>
      BigInt.asUintN(variant.bits, ending.dword(DATA + 1024 + 8 * index))
        .toString(16)
        .padStart(variant.bits / 4, "0"),
    );
    expect(words.join("")).toBe(digest);
  });

  test("GB/T 32907, annex A: SM4", () => {
    const example = "0123456789abcdeffedcba9876543210";
    const ending = run(tier, sm4(example, example));
    expect([ending.x("a0"), ending.x("a1")]).toEqual(halves("681edf34d206965e86b3e94f536e4246"));
  });

  test("GCM, test case 2: GHASH by carry-less products", () => {
    // McGrew and Viega, appendix B: the hash key and ciphertext block of test case 2, and X1 = C * H.
    const h = "66e94bd4ef8a2c3b884cfa59ca342b2e";
    const c = "0388dace60b6a392f328c2b971b2fe78";
    const x1 = "5e2ec746917062882c85b0685353deb7";
    const [a0, a1] = halves(c);
    const [b0, b1] = halves(h);
    // In each byte the first bit is the highest: reversed, the coefficient of x^n is bit n.
    const body = `li a0, ${a0}\n li a1, ${a1}\n li a2, ${b0}\n li a3, ${b1}
      brev8 a0, a0\n brev8 a1, a1\n brev8 a2, a2\n brev8 a3, a3
      clmul s4, a0, a2\n clmulh s5, a0, a2
      clmul s6, a1, a3\n clmulh s7, a1, a3
      clmul t2, a0, a3\n clmulh t3, a0, a3\n xor s5, s5, t2\n xor s6, s6, t3
      clmul t2, a1, a2\n clmulh t3, a1, a2\n xor s5, s5, t2\n xor s6, s6, t3
      li t4, 0x87
      clmul t2, s7, t4\n clmulh t3, s7, t4\n xor s5, s5, t2\n xor s6, s6, t3
      clmul t2, s6, t4\n clmulh t3, s6, t4\n xor s4, s4, t2\n xor s5, s5, t3
      brev8 a0, s4\n brev8 a1, s5`;
    const ending = run(tier, body);
    expect([ending.x("a0"), ending.x("a1")]).toEqual(halves(x1));
  });
});

import { describe, expect, test } from "vitest";
import { Random } from "../random.ts";
import { attempt, DATA, type Ending, TIERS } from "./machine.ts";

const ILLEGAL = 2;

const word = (value: bigint): bigint => BigInt.asUintN(64, value);
const bit = (value: bigint, index: number): bigint => (value >> BigInt(index)) & 1n;

/** The full carry-less product, bit by bit. */
function carryLess(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let index = 0; index < 64; index++) if (bit(b, index) === 1n) product ^= a << BigInt(index);
  return product;
}

function permuted(table: bigint, indices: bigint, width: number): bigint {
  const mask = (1n << BigInt(width)) - 1n;
  let result = 0n;
  for (let at = 0n; at < 64n; at += BigInt(width)) {
    result |= ((table >> (((indices >> at) & mask) * BigInt(width))) & mask) << at;
  }
  return result;
}

function reversedInBytes(value: bigint): bigint {
  let result = 0n;
  for (let index = 0; index < 64; index++) result |= bit(value, index) << BigInt(index ^ 7);
  return result;
}

/** Instructions of two registers by what the specification's text says they give. */
const BINARY: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  "czero.eqz": (a, b) => (b === 0n ? 0n : a),
  "czero.nez": (a, b) => (b === 0n ? a : 0n),
  clmul: (a, b) => word(carryLess(a, b)),
  clmulh: (a, b) => carryLess(a, b) >> 64n,
  clmulr: (a, b) => word(carryLess(a, b) >> 63n),
  pack: (a, b) => (a & 0xffff_ffffn) | word(b << 32n),
  packh: (a, b) => (a & 0xffn) | ((b & 0xffn) << 8n),
  packw: (a, b) => word(BigInt.asIntN(32, (a & 0xffffn) | (b << 16n))),
  xperm4: (a, b) => permuted(a, b, 4),
  xperm8: (a, b) => permuted(a, b, 8),
  "mop.rr.0": () => 0n,
  "mop.rr.7": () => 0n,
};

const UNARY: Readonly<Record<string, (a: bigint) => bigint>> = {
  brev8: reversedInBytes,
  "mop.r.0": () => 0n,
  "mop.r.31": () => 0n,
};

/** Those of Zcb that change a register. */
const COMPRESSED: Readonly<Record<string, (a: bigint) => bigint>> = {
  "c.zext.b": (a) => a & 0xffn,
  "c.sext.b": (a) => word(BigInt.asIntN(8, a)),
  "c.zext.h": (a) => a & 0xffffn,
  "c.sext.h": (a) => word(BigInt.asIntN(16, a)),
  "c.zext.w": (a) => a & 0xffff_ffffn,
  "c.not": (a) => word(~a),
};

const random = new Random(7);
const VALUES: readonly bigint[] = [
  ...[0n, 1n, 0x80n, 0x8000n, 0x8000_0000n, 1n << 63n, (1n << 64n) - 1n, 0x1111_1111_1111_1111n],
  ...[0x0706_0504_0302_0100n, 0xfedc_ba98_7654_3210n, 0xfff8_0807_ff00_0701n],
  ...Array.from({ length: 5 }, () => random.bits64()),
];
const PAIRS = VALUES.flatMap((a) => VALUES.map((b) => [a, b] as const));

describe.each(TIERS)("$name", (tier) => {
  const run = (body: string): Ending => {
    const ending = attempt({ tier, mode: "user", body });
    expect(ending.cause).toBe("completed");
    return ending;
  };
  /** Many operations in one program, each result stored behind the one before. */
  const results = (bodies: readonly string[]): bigint[] => {
    const ending = run(
      `li s1, ${DATA}\n${bodies.map((body) => `${body}\n sd a5, 0(s1)\n addi s1, s1, 8`).join("\n")}`,
    );
    return bodies.map((_, index) => ending.dword(DATA + 8 * index));
  };

  test.each(Object.entries(BINARY))("%s gives what its definition says", (name, oracle) => {
    const given = results(PAIRS.map(([a, b]) => `li a0, ${a}\n li a1, ${b}\n ${name} a5, a0, a1`));
    expect(given).toEqual(PAIRS.map(([a, b]) => oracle(a, b)));
    const [[a = 0n, b = 0n] = []] = [PAIRS.at(-1)];
    expect(run(`li a0, ${a}\n li a1, ${b}\n ${name} a0, a0, a1`).x("a0")).toBe(oracle(a, b));
    expect(run(`li a0, ${a}\n li a1, ${b}\n ${name} zero, a0, a1`).x("zero")).toBe(0n);
  });

  test.each(Object.entries(UNARY))("%s gives what its definition says", (name, oracle) => {
    const given = results(VALUES.map((a) => `li a0, ${a}\n ${name} a5, a0`));
    expect(given).toEqual(VALUES.map((a) => oracle(a)));
  });

  test.each(Object.entries(COMPRESSED))("Zcb: %s", (name, oracle) => {
    const given = results(VALUES.map((a) => `li a5, ${a}\n ${name} a5`));
    expect(given).toEqual(VALUES.map((a) => oracle(a)));
  });

  test("Zcb: c.mul, loads and stores", () => {
    const ending = run(`li a0, ${DATA}\n li a1, 0xfedc8a9876543291\n sd a1, 0(a0)
      c.lbu s0, 0(a0)\n c.lbu s1, 3(a0)\n c.lhu a2, 0(a0)\n c.lhu a3, 2(a0)\n c.lh a4, 2(a0)\n c.lh a5, 0(a0)
      c.sb a1, 1(a0)\n c.sh a1, 2(a0)\n mv s3, a1\n mv s4, a4\n c.mul a4, a1`);
    const names = ["s0", "s1", "a2", "a3", "a4"];
    expect(names.map((name) => ending.x(name))).toEqual([
      ...[0x91n, 0x76n, 0x3291n, 0x7654n, word(0x7654n * 0xfedc_8a98_7654_3291n)],
    ]);
    expect(ending.x("a5")).toBe(0x3291n);
    expect(ending.dword(DATA)).toBe(0xfedc_8a98_3291_9191n);
  });

  test("Zcmop, Zawrs and the hints change nothing", () => {
    const hints = ["pause", "wrs.nto", "wrs.sto", "ntl.p1", "ntl.all"];
    const parcels = Array.from({ length: 8 }, (_, index) => `c.mop.${2 * index + 1}`);
    const before = run("nop");
    const after = run([...hints, ...parcels].join("\n"));
    for (const name of ["ra", "sp", "gp", "t2", "s0", "s1", "a1", "a3", "a5"]) {
      expect(after.x(name)).toBe(before.x(name));
    }
  });

  test("Zawrs, section 15.1: a wait that ends at once is legal whatever mstatus.TW says", () => {
    const setup = "li t0, 1 << 21\n csrs mstatus, t0";
    expect(attempt({ tier, mode: "user", setup, body: "wrs.nto" }).cause).toBe("completed");
    expect(attempt({ tier, mode: "user", setup, body: "wfi" }).cause).toBe(ILLEGAL);
  });

  test("aes64ks1i with a reserved round is an illegal instruction", () => {
    for (let round = 0; round < 16; round++) {
      const bits = 0x31051513 | (round << 20);
      const ending = attempt({ tier, mode: "user", body: `li a0, 5\n .4byte ${bits}\n li a1, 1` });
      expect(ending.cause).toBe(round <= 10 ? "completed" : ILLEGAL);
      if (round > 10) expect([ending.tval, ending.x("a0")]).toEqual([BigInt(bits), 5n]);
    }
  });
});

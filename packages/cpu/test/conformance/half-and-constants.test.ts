import { describe, expect, test } from "vitest";
import { attempt, DATA, type Ending, TIERS } from "./machine.ts";

const ILLEGAL = 2;

/** The table of FLI in the specification's chapter on Zfa, by number. */
const CONSTANTS: readonly (number | "min" | "nan")[] = [
  ...([
    -1,
    "min",
    2 ** -16,
    2 ** -15,
    2 ** -8,
    2 ** -7,
    1 / 16,
    1 / 8,
    1 / 4,
    5 / 16,
    3 / 8,
    7 / 16,
  ] as const),
  ...([1 / 2, 5 / 8, 3 / 4, 7 / 8, 1, 5 / 4, 3 / 2, 7 / 4, 2, 5 / 2, 3, 4, 8, 16, 128, 256] as const),
  ...([2 ** 15, 2 ** 16, Number.POSITIVE_INFINITY, "nan"] as const),
];

const view = new DataView(new ArrayBuffer(8));
const doubleBits = (value: number): bigint => {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
};
const singleBits = (value: number): bigint => {
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
};
const boxedSingle = (bits: bigint): bigint => bits | 0xffff_ffff_0000_0000n;
const boxedHalf = (bits: bigint): bigint => bits | 0xffff_ffff_ffff_0000n;

describe.each(TIERS)("$name", (tier) => {
  const run = (body: string): Ending => {
    const ending = attempt({ tier, mode: "user", body });
    expect(ending.cause).toBe("completed");
    return ending;
  };
  /** All 32 constants of a format, by instruction words. */
  const constants = (format: number): bigint[] => {
    const store = Array.from({ length: 32 }, (_, number) => {
      const word = (0xf0100053 | (format << 25) | (number << 15) | (10 << 7)) >>> 0;
      return `.4byte ${word}\n fsd fa0, ${8 * number}(s1)`;
    });
    const ending = run(`li s1, ${DATA}\n${store.join("\n")}\n frflags a0`);
    expect(ending.x("a0")).toBe(0n);
    return CONSTANTS.map((_, number) => ending.dword(DATA + 8 * number));
  };

  test("Zfa: FLI.D and FLI.S load the table's constants", () => {
    expect(constants(1)).toEqual(
      CONSTANTS.map((value) =>
        value === "min" ? 0x0010n << 48n : value === "nan" ? 0x7ff8n << 48n : doubleBits(value),
      ),
    );
    expect(constants(0)).toEqual(
      CONSTANTS.map((value) =>
        boxedSingle(value === "min" ? 0x0080_0000n : value === "nan" ? 0x7fc0_0000n : singleBits(value)),
      ),
    );
  });

  test("Zfa: FLI.H loads them too, the small ones as subnormals, and infinity for 65536", () => {
    const halves = constants(2);
    const back = run(
      `li s1, ${DATA}\n${halves.map((bits, index) => `li a0, ${bits}\n fmv.d.x fa0, a0\n fcvt.d.h fa1, fa0\n fsd fa1, ${8 * index}(s1)`).join("\n")}`,
    );
    CONSTANTS.forEach((value, number) => {
      expect(halves[number]).toBe(boxedHalf((halves[number] as bigint) & 0xffffn));
      const expected =
        value === "min"
          ? doubleBits(2 ** -14)
          : value === "nan"
            ? 0x7ff8n << 48n
            : doubleBits(value === 65536 ? Number.POSITIVE_INFINITY : value);
      expect([number, back.dword(DATA + 8 * number)]).toEqual([number, expected]);
    });
  });

  test("Zfhmin: loads, stores and moves box, and take the bits as they are", () => {
    const ending = run(`li s1, ${DATA}\n li a0, 0x123456789abcfedc\n sd a0, 0(s1)
      flh fa0, 0(s1)\n flh fa1, 1(s1)\n fsh fa0, 8(s1)\n fsd fa0, 16(s1)\n fsd fa1, 24(s1)
      fmv.x.h a1, fa0\n fmv.x.h a2, fa1\n fmv.h.x fa2, a0\n fsd fa2, 32(s1)\n fsh fa2, 42(s1)`);
    expect(ending.dword(DATA + 8)).toBe(0xfedcn);
    expect(ending.dword(DATA + 16)).toBe(boxedHalf(0xfedcn));
    expect(ending.dword(DATA + 24)).toBe(boxedHalf(0xbcfen));
    expect(ending.x("a1")).toBe(0xffff_ffff_ffff_fedcn);
    expect(ending.x("a2")).toBe(0xffff_ffff_ffff_bcfen);
    expect(ending.dword(DATA + 32)).toBe(boxedHalf(0xfedcn));
    expect(ending.dword(DATA + 40)).toBe(0xfedc_0000n);
  });

  test("section 20.2: a half that is not boxed is the canonical NaN", () => {
    const ending = run(`li a0, 0xffffffff00003c00\n fmv.d.x fa0, a0\n fsgnj.h fa1, fa0, fa0\n fmv.x.d a1, fa1
      fclass.h a2, fa0\n fcvt.s.h fa2, fa0\n fmv.x.w a3, fa2\n fmv.x.h a4, fa0\n frflags a5`);
    expect(ending.x("a1")).toBe(boxedHalf(0x7e00n));
    expect([ending.x("a2"), ending.x("a3")]).toEqual([1n << 9n, 0x7fc0_0000n]);
    expect([ending.x("a4"), ending.x("a5")]).toEqual([0x3c00n, 0n]);
  });

  test("Zfa: FCVTMOD.W.D takes no rounding mode but rtz", () => {
    for (let mode = 0; mode < 8; mode++) {
      const word = (0xc2850553 | (mode << 12)) >>> 0;
      const ending = attempt({ tier, mode: "user", body: `.4byte ${word}` });
      expect([mode, ending.cause]).toEqual([mode, mode === 1 ? "completed" : ILLEGAL]);
    }
  });

  test("Zfa: FROUND with a reserved rounding mode is an illegal instruction, in frm too", () => {
    expect(attempt({ tier, mode: "user", body: ".4byte 0x40455553" }).cause).toBe(ILLEGAL);
    expect(attempt({ tier, mode: "user", body: "fsrm zero\n fround.s fa0, fa0" }).cause).toBe("completed");
    expect(attempt({ tier, mode: "user", body: "li a0, 5\n csrw frm, a0\n fround.h fa0, fa0" }).cause).toBe(
      ILLEGAL,
    );
  });
});

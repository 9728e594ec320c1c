import { describe, expect, test } from "vitest";
import { DATA, END, runProgram, TIERS } from "./program.ts";

/** What is known at the start of a block holds on all ways to it. */

const TURNS = 200;
/** 4 GiB and 1: not a sign-extended 32-bit number. */
const LONG = 0x1_0000_0001n;
/** Instructions before the loop. */
const START = 5;

describe.each(TIERS)("$name", (tier) => {
  /** Runs a loop around `body`, with what it calls behind it. */
  const turns = (body: string, callee = "") =>
    runProgram(
      tier,
      `li s0, ${TURNS}
      li s1, ${LONG}
    loop:
      ${body}
      addi s0, s0, -1
      bnez s0, loop
      ecall
      ${callee}`,
    );

  test("what a callee leaves in a register is not what the caller had in it", () => {
    const padding = "nop\n".repeat(100);
    const ending = turns(
      "sext.w a0, s0\n bltz s0, loop\n jal ra, f\n sext.w a1, a0",
      `f: mv a0, s1\n ${padding} ret`,
    );
    expect([ending.x("a0"), ending.x("a1")]).toEqual([LONG, 1n]);
    expect(ending.retired).toBe(START + TURNS * (7 + 101));
  });

  test.each([
    ["that comes before it", 1n, LONG, 1n],
    ["that goes around it", 0n, 7n, 7n],
  ])("a number that one of two ways leaves as it was is extended behind them: %s", (_way, flag, a0, a1) => {
    const ending = turns(`li t0, ${flag}\n li a0, 7\n beqz t0, 1f\n mv a0, s1\n 1:\n sext.w a1, a0`);
    expect([ending.x("a0"), ending.x("a1")]).toEqual([a0, a1]);
  });

  test("a block after a short branch that something else leads to is executed then", () => {
    // Every third turn goes to the block from elsewhere, with the branch around it last taken.
    const ending = turns(`
      addi t0, t0, 1
      li t1, 3
      rem t2, t0, t1
      beqz t2, 2f
      bnez t2, 3f
    2:
      addi a0, a0, 1
    3:
      add a1, a1, a0`);
    expect(ending.x("a0")).toBe(BigInt(Math.floor(TURNS / 3)));
    expect(ending.retired).toBe(START + TURNS * 8);
  });

  test("an access that a loop looked ahead for finds what the turns before it did", () => {
    const ending = turns(`
      li s2, ${DATA}
    1:
      lw t1, 0(s2)
      lw t2, 4(s2)
      add t3, t1, t0
      addi t4, t3, 1
      xor t5, t4, t3
      sw t0, 8(s2)
      addi t0, t0, 1
      addi s2, s2, 256
      j 1b`);
    const last = (END - DATA) / 256;
    expect(ending).toMatchObject({ exit: "trap", cause: 5, value: BigInt(END) });
    const registers = ["t0", "t3", "t4", "t5", "s2"].map((name) => ending.x(name));
    expect(registers).toEqual([last, last - 1, last, last ^ (last - 1), END].map(BigInt));
    expect(ending.retired).toBe(START + 1 + 9 * last);
    expect(ending.processor.memory.view(END - 256 + 8, 1)[0]).toBe((last - 1) & 255);
  });
});

import { describe, expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import { riscv64User } from "../../src/index.ts";
import { load, runProgram, TIERS } from "./program.ts";

test.each(TIERS)("a region that begins in the middle of an instruction of its own, $name", (tier) => {
  const { exit, x } = runProgram(
    tier,
    `
      li s0, 100
      li s1, 0
    outer:
      li a0, 0
      la t1, fn
      jalr ra, 0(t1)
      add s1, s1, a0
      addi s0, s0, -1
      bnez s0, outer
      ecall
      .balign 4
      .half 0x0001
    # lui a0 if control gets here, which it never does; addi a0, a0, 1 from its second half on.
    before:
      .half 0x0537
    fn:
      .half 0x0513
      .half 0x0015
      bne zero, zero, before
      ret`,
  );
  expect(exit).toBe("trap");
  expect(x("s1")).toBe(100n);
});

test.each([0x1000_0000, 0xa000_0000])("code %i bytes into memory is translated", (offset) => {
  const memoryBase = 0x1_0000;
  const processor = riscv64User({
    memoryBase,
    memorySize: 0xc000_0000,
    clock: { frequency: 10_000_000, now: () => 0 },
    translationThreshold: 50,
  });
  const at = memoryBase + offset;
  const program =
    "li a0, 0\n li a1, 300000\nagain: addi a0, a0, 3\n addi a1, a1, -1\n bnez a1, again\n ecall";
  const { bytes } = assemble(program, { origin: at });
  processor.memory.view(at, bytes.length).set(bytes);
  processor.memory.markDirty(at, bytes.length);
  const [hart] = processor.harts;
  if (hart === undefined) throw new Error("there is no hart");
  hart.pc = BigInt(at);
  expect(hart.run(10_000_000)).toBe("trap");
  expect(hart.readRegister(10)).toBe(900_000n);
  expect(processor.counters().instructionsInRegions).toBeGreaterThan(800_000);
  processor.close();
});

describe("code that is made to cost much", () => {
  /** As many loops in one another, which an indirect jump in the page gets into. */
  const nest = (depth: number): string => `
      li s0, 20000
      la t1, target
    outer:
      jal ra, entry
      addi s0, s0, -1
      bnez s0, outer
      ecall
      .balign 4096
    entry:
      bne zero, zero, h0
      jr t1
    target:
      ret
      ${Array.from({ length: depth }, (_, index) => `h${index}: addi a1, a1, 1`).join("\n")}
      ${Array.from({ length: depth }, (_, index) => `bne zero, zero, h${depth - 1 - index}`).join("\n")}
      jr t1`;

  test("a whole region of 480 loops in one another is asked for a few times, not without end", () => {
    const tier = TIERS.find(({ translationThreshold }) => translationThreshold > 0);
    if (tier === undefined) throw new Error("no tier translates");
    const { hart, processor } = load(tier, nest(480));
    expect(hart.run(100_000_000)).toBe("trap");
    expect(hart.readRegister(8)).toBe(0n);
    expect(processor.counters().regionsTranslated).toBeLessThan(30);
  });
});

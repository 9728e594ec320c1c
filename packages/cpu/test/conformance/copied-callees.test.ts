import { expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import { BODY, lockstep, mapTwice, type Outcome, type Program, place, visits } from "./lockstep.ts";
import { DATA } from "./machine.ts";

/** Calls that are hot have a copy of the callee in their place. */

const ROUNDS = 1500;
const push = "addi sp, sp, -16\n sd ra, 0(sp)";
const pop = "ld ra, 0(sp)\n addi sp, sp, 16";

/** Runs a loop around `calls`; what they call stands behind it. */
function calling(calls: string, callees: string, rest: Partial<Program> = {}): Outcome {
  const outcome = lockstep({
    body: `
    li a0, 0
    li a1, 0
    li s8, ${ROUNDS}
  loop:
    ${calls}
    addi s8, s8, -1
    bnez s8, loop
    j done
    ${callees}`,
    ...rest,
  });
  expect(outcome.whole.length).toBeGreaterThan(0);
  return outcome;
}

/** Most instructions were executed in regions. */
function expectTranslated({ counters }: Outcome, part = 0.6): void {
  expect((counters.instructionsInRegions ?? 0) / (counters.instructions ?? 1)).toBeGreaterThan(part);
}

test.each<[string, string, string, bigint]>([
  ["returns", "jal ra, f", "f: addi a1, a1, 3\n ret", 3n],
  ["is called from two places", "jal ra, f\n addi a1, a1, 1\n jal ra, f", "f: addi a1, a1, 3\n ret", 7n],
  ["is called by another link register", "jal t0, f", "f: addi a1, a1, 3\n jr t0", 3n],
  ["has two ends", "jal ra, f", "f: andi t3, s8, 1\n beqz t3, g\n ret\n g: addi a1, a1, 2\n ret", 1n],
  ["has a loop", "jal ra, f", "f: li t3, 5\n g: addi a1, a1, 1\n addi t3, t3, -1\n bnez t3, g\n ret", 5n],
  [
    "goes on in another",
    "jal ra, f\n jal ra, g",
    "f: addi a1, a1, 2\n j g\n nop\n g: addi a1, a1, 1\n ret",
    4n,
  ],
  [
    "calls another, as that does",
    "jal ra, f0",
    `${[0, 1, 2, 3, 4].map((n) => `f${n}: ${push}\n addi a1, a1, 1\n jal ra, f${n + 1}\n addi a1, a1, 1\n ${pop}\n ret`).join("\n")}
    f5: addi a1, a1, 1\n ret`,
    11n,
  ],
  [
    "calls itself",
    "li a2, 7\n jal ra, f",
    `f: ${push}\n beqz a2, g\n addi a2, a2, -1\n jal ra, f\n addi a1, a1, 1\n g: ${pop}\n ret`,
    7n,
  ],
  [
    "calls itself twice",
    "li a2, 4\n jal ra, f",
    `f: ${push}\n sd a2, 8(sp)\n blez a2, g\n addi a2, a2, -1\n jal ra, f\n ld a2, 8(sp)\n addi a2, a2, -2\n jal ra, f
     g: addi a1, a1, 1\n ${pop}\n ret`,
    15n,
  ],
  [
    "calls by a pointer",
    "la a2, g\n jal ra, f",
    `f: ${push}\n jalr a2\n ${pop}\n ret\n g: addi a1, a1, 5\n ret`,
    5n,
  ],
  [
    "accesses pages",
    "jal ra, f",
    `f: li t3, ${DATA + 4092}\n ld t4, -4(t3)\n addi t4, t4, 1\n sd t4, -4(t3)\n sw t4, 0(t3)\n lw t4, 0(t3)\n addi a1, a1, 1\n ret`,
    1n,
  ],
])("a callee that %s", (name, calls, callees, step) => {
  const outcome = calling(calls, callees);
  expectTranslated(outcome);
  const rounds = BigInt(ROUNDS);
  expect(outcome.x("a1")).toBe(name === "has two ends" ? rounds : step * rounds);
});

test("a callee that returns elsewhere, now and then", () => {
  const outcome = calling(
    "jal ra, f\n addi a1, a1, 100\n addi a1, a1, 1",
    "f: andi t3, s8, 3\n bnez t3, g\n addi ra, ra, 4\n g: ret",
  );
  expectTranslated(outcome);
  expect(outcome.x("a1")).toBe(BigInt((ROUNDS / 4) * (3 * 101 + 1)));
});

test("a callee that returns to the caller of its caller", () => {
  const outcome = calling(
    "jal ra, f\n addi a1, a1, 1",
    `f: ${push}\n jal ra, g\n addi a1, a1, 100\n ${pop}\n ret\n g: andi t3, s8, 1\n beqz t3, h\n ${pop}\n addi a1, a1, 10\n h: ret`,
  );
  expectTranslated(outcome);
  expect(outcome.x("a1")).toBe(BigInt((ROUNDS / 2) * (11 + 101)));
});

const outer = (callee: string): string =>
  `outer: jal ra, ${callee}\n addi s8, s8, -1\n bnez s8, outer\n j done\n`;
const at = (offset: number, code: string): string => `.org ${BODY + offset}\n ${code}\n`;
const stepping = "addi a1, a1, 2\n c.addi a1, 1\n ret";

test.each([
  ["in the second page", at(0xe00, outer("f")), at(0x1080, `f: ${stepping}`)],
  ["across the boundary of the pages", at(0xe00, outer("f")), at(0xffe, `f: ${stepping}`)],
  ["in the second page, to which only it leads", at(0xff0, outer("f")), at(0x1f00, `f: ${stepping}`)],
  [
    "in the first page, called from the second",
    at(0x100, `f: ${stepping}`) + at(0xe00, outer("g")),
    at(0x1020, `g: ${push}\n jal ra, f\n ${pop}\n ret`),
  ],
])("a callee %s", (_name, first, second) => {
  const outcome = lockstep({ body: `li a1, 0\n li s8, ${ROUNDS}\n j outer\n ${first} ${second}` });
  expectTranslated(outcome);
  expect(outcome.whole.length).toBeGreaterThan(0);
  expect(outcome.x("a1")).toBe(3n * BigInt(ROUNDS));
});

test("a callee in the second page, where another page follows the same one elsewhere", () => {
  const entry = 0xf00;
  const loop = `
    again: jal ra, . + ${0x1040 - entry}
    addi a1, a1, 1
    addi s8, s8, -1
    bnez s8, again
    j . + ${0x1080 - entry - 16}`;
  const callee = (step: number): string => `addi a1, a1, ${step}\n ret\n .zero 56\n jr s6`;
  const outcome = lockstep({
    body: `li a1, 0\n ${visits((base) => `li s8, 300\n li a2, ${base + entry}`)}`,
    prepare: (processor) => {
      place(processor, DATA + entry, loop);
      place(processor, DATA + 0x1040, callee(16));
      place(processor, DATA + 0x2040, callee(256));
    },
    map: mapTwice,
  });
  expectTranslated(outcome, 0.4);
  expect(outcome.whole.length).toBeGreaterThan(0);
  expect(outcome.x("a1")).toBe(BigInt(2 * 300 * (17 + 257)));
});

test("a callee that returns to the second page, where another page follows the same one elsewhere", () => {
  const [callee, entry] = [0xf00, 0xff8];
  const rest = (step: number): string =>
    `addi a1, a1, ${step}\n addi s8, s8, -1\n bnez s8, . + ${entry - 0x1008}\n jr s6`;
  const outcome = lockstep({
    body: `li a1, 0\n ${visits((base) => `li s8, 300\n li a2, ${base + entry}`)}`,
    prepare: (processor) => {
      place(processor, DATA + callee, "addi a1, a1, 1\n ret");
      place(processor, DATA + entry, `nop\n jal ra, . + ${callee - entry - 4}`);
      place(processor, DATA + 0x1000, rest(16));
      place(processor, DATA + 0x2000, rest(256));
    },
    map: mapTwice,
  });
  expectTranslated(outcome, 0.4);
  expect(outcome.whole.length).toBeGreaterThan(0);
  expect(outcome.x("a1")).toBe(BigInt(2 * 300 * (17 + 257)));
});

test("a callee that is rewritten while its calls are hot", () => {
  const word = (source: string): number =>
    new DataView(assemble(source, { origin: 0 }).bytes.buffer).getUint32(0, true);
  const words = [word("addi a1, a1, 1"), word("addi a1, a1, 1000")];
  const outcome = calling(
    `
    jal ra, f
    andi t3, s8, 127
    bnez t3, same
    la t4, f
    lw t3, 0(t4)
    li t1, ${words[0]}
    li t2, ${words[1]}
    bne t3, t1, write
    mv t1, t2
  write:
    sw t1, 0(t4)
    fence.i
  same:`,
    "f: addi a1, a1, 1\n ret",
  );
  expectTranslated(outcome, 0.2);
  expect(outcome.x("a1")).toBeGreaterThan(1000n * 500n);
  expect(outcome.counters.regionsDropped).toBeGreaterThan(5);
});

test.each([
  [
    "goes on behind the instruction",
    "csrr t5, mepc\n addi t5, t5, 4\n csrw mepc, t5\n addi a0, a0, 1\n mret",
    3n,
  ],
  ["returns to the caller", "csrr t5, mepc\n add a4, a4, t5\n csrw mepc, ra\n addi a0, a0, 1\n mret", 2n],
  ["returns to the outermost", "csrr t5, mepc\n add a4, a4, t5\n csrw mepc, s7\n addi a0, a0, 1\n mret", 1n],
])("a trap in a copy in a copy, which %s", (_name, handler, most) => {
  const outcome = calling(
    `li a3, ${DATA}
    andi t3, s8, 15
    bnez t3, .Lfine
    li a3, 0x50000
  .Lfine:
    la s7, .Lback
    jal ra, f
  .Lback:`,
    `f: ${push}\n addi a1, a1, 1\n jal ra, g\n addi a1, a1, 1\n ${pop}\n ret
    g: addi a5, a5, 1\n ld a2, 0(a3)\n addi a1, a1, 1\n addi a5, a5, 2\n ret`,
    { handler: `${handler}` },
  );
  expectTranslated(outcome, 0.4);
  const traps = Math.floor(ROUNDS / 16);
  expect(outcome.x("a0")).toBe(BigInt(traps));
  expect(outcome.x("a1")).toBe(BigInt(3 * (ROUNDS - traps)) + most * BigInt(traps));
});

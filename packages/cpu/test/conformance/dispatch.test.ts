import { expect, test } from "vitest";
import { BODY, lockstep, mapTwice, type Outcome, type Program, place, visits } from "./lockstep.ts";
import { DATA } from "./machine.ts";

/** Indirect jumps whose targets are known are done within a region. */

const ROUNDS = 600;

function run(body: string, rest: Partial<Program> = {}, part = 0.5): Outcome {
  const outcome = lockstep({ body, ...rest });
  expect(outcome.whole.length).toBeGreaterThan(0);
  const { instructionsInRegions = 0, instructions = 1 } = outcome.counters;
  expect(instructionsInRegions / instructions).toBeGreaterThan(part);
  return outcome;
}

/** Goes on at the next address of the program at s10. */
const NEXT = "ld a2, 0(s10)\n addi s10, s10, 8\n jr a2";
const AGAIN = "again: addi s8, s8, -1\n bnez s8, .Lgo\n j done\n .Lgo: mv s10, s9\n";
const START = `li a0, 0\n li s8, ${ROUNDS}\n la s9, program\n mv s10, s9\n`;
const programOf = (...labels: string[]): string =>
  `.balign 8\n program: ${labels.map((label) => `.dword ${label}`).join("; ")}\n`;

test("a switch in a loop", () => {
  const cases = [1, 10, 100, 1000];
  const outcome = run(`
    li a0, 0
    li s8, ${ROUNDS}
    la s9, table
  loop:
    andi a2, s8, 3
    slli a2, a2, 3
    add a2, a2, s9
    ld a2, 0(a2)
    jr a2
    ${cases.map((step, index) => `case${index}: addi a0, a0, ${step}\n j next`).join("\n")}
  next:
    addi s8, s8, -1
    bnez s8, loop
    j done
    .balign 8
  table: ${cases.map((_, index) => `.dword case${index}`).join("; ")}`);
  expect(outcome.x("a0")).toBe(BigInt((ROUNDS / 4) * 1111));
});

const HANDLERS = `
  one: addi a0, a0, 1
    ${NEXT}
  ten: addi a0, a0, 10
    ${NEXT}
  hundred: addi a0, a0, 100
    ${NEXT}`;

test("threaded code", () => {
  const outcome = run(`
    ${START} ${NEXT}
    ${HANDLERS}
    ${AGAIN} ${NEXT}
    ${programOf("one", "ten", "ten", "hundred", "one", "hundred", "again")}`);
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * 222));
});

test.each([
  ["from the loop", "andi t3, s8, 1\n bnez t3, ten\n"],
  ["by a jump only", "andi t3, s8, 1\n beqz t3, .Lno\n addi a0, a0, 5\n j ten\n .Lno:"],
  ["into its middle", "andi t3, s8, 1\n bnez t3, middle\n"],
  ["into two of them", "andi t3, s8, 1\n bnez t3, ten\n andi t3, s8, 2\n bnez t3, hundred\n"],
])("handlers that are entered directly too, %s", (_name, enter) => {
  // From `loop` on, neither the dispatch nor the handler comes before the other on every way.
  run(`
    ${START}
  loop:
    ${enter}
    ${NEXT}
  one: addi a0, a0, 1
    ${NEXT}
  ten: addi a0, a0, 10
    addi a3, a3, 1
  middle: addi a0, a0, 20
    andi t3, a3, 7
    beqz t3, one
    ${NEXT}
  hundred: addi a0, a0, 100
    ${NEXT}
  again: addi s8, s8, -1
    beqz s8, done
    mv s10, s9
    j loop
    ${programOf("one", "ten", "hundred", "ten", "one", "again")}`);
});

test("handlers with loops in them, and loops around handlers", () => {
  run(`
    ${START} ${NEXT}
  one: li t3, 4
  two: addi a0, a0, 1
    addi t3, t3, -1
    bnez t3, two
    ${NEXT}
  ten: addi a3, a3, 1
    andi t4, a3, 3
    addi a0, a0, 10
    li t3, 2
    beqz t4, two
    ${NEXT}
    ${AGAIN} ${NEXT}
    ${programOf("one", "ten", "one", "ten", "again")}`);
});

test("handlers that call, and are returned to", () => {
  run(`
    ${START} ${NEXT}
  one: jal ra, f
    addi a0, a0, 1
    ${NEXT}
  ten: la a3, f
    jalr a3
    addi a0, a0, 10
    ${NEXT}
    ${AGAIN} ${NEXT}
  f: addi a1, a1, 3
    ret
    ${programOf("one", "ten", "ten", "one", "again")}`);
});

test("a target that was never seen before", () => {
  const outcome = run(`
    ${START} ${NEXT}
    ${HANDLERS}
  new: addi a0, a0, 1000
    ${NEXT}
  again: addi s8, s8, -1
    beqz s8, done
    mv s10, s9
    andi t3, s8, 63
    bnez t3, .Lold
    la s10, other
  .Lold:
    ${NEXT}
    ${programOf("one", "ten", "hundred", "again")}
  other: .dword new; .dword one; .dword ten; .dword again`);
  const rare = Math.floor((ROUNDS - 1) / 64);
  expect(outcome.x("a0")).toBe(BigInt((ROUNDS - rare) * 111 + rare * 1011));
});

test("targets outside of the page, before it and behind it", () => {
  const outcome = run(`
    j start
  before: addi a0, a0, 1000
    ${NEXT}
    .org ${BODY + 0x2100}
  start:
    ${START} ${NEXT}
    ${HANDLERS}
    ${AGAIN} ${NEXT}
    ${programOf("one", "before", "ten", "behind", "hundred", "far", "again")}
    .org ${BODY + 0x3000}
  behind: addi a0, a0, 200
    ${NEXT}
    .org ${BODY + 0x4100}
  far: addi a0, a0, 300
    ${NEXT}`);
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * 1611));
});

test("handlers of two pages that lead to one another: each page's are one region", () => {
  const names = [1, 2, 3, 4, 5, 6, 7, 8];
  const handlers = (page: string): string =>
    names.map((step) => `${page}${step}: addi a0, a0, ${step}\n ${NEXT}`).join("\n");
  const body = `
    j start
    .org ${BODY + 0x1100}
    ${handlers("a")}
    .org ${BODY + 0x4100}
  start:
    ${START} ${NEXT}
    ${handlers("b")}
    ${AGAIN} ${NEXT}
    ${programOf(...names.flatMap((name) => [`a${name}`, `a${9 - name}`, `b${name}`, `b${9 - name}`]), "again")}`;
  // Few slices end in the middle of a handler, from where on it would be another region.
  const outcome = run(body, { slices: [4001] });
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * 4 * 36));
  expect(outcome.counters.regionsTranslated).toBeGreaterThanOrEqual(2 * names.length);
  expect(outcome.counters.regions).toBeLessThan(names.length);
});

test("more handlers than one region has room for", () => {
  const names = Array.from({ length: 80 }, (_, index) => `h${index}`);
  const outcome = run(`
    ${START} ${NEXT}
    ${names.map((name, index) => `${name}: addi a0, a0, ${index}\n xor a1, a1, a0\n ${NEXT}`).join("\n")}
    ${AGAIN} ${NEXT}
    ${programOf(...names, "again")}`);
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * 40 * 79));
  expect(outcome.counters.regions).toBeGreaterThan(names.length / 2);
});

test("a region that is asked for whole is translated anew although nothing comes to it: its loops know their pages", () => {
  // Too long to be copied: what is counted at the call is all that asks.
  const callee = Array.from({ length: 70 }, () => "xor a3, a3, a4").join("\n");
  const outcome = run(
    `
    li s8, 400
    la s9, ${DATA}
    j start
  outer: jal ra, f
  start: li t3, 8
    j inner
    .org ${BODY + 0x100}
  inner: ld a1, 0(s9)
    add a0, a0, a1
    addi t3, t3, -1
    bnez t3, inner
    addi s8, s8, -1
    bnez s8, outer
    j done
    .balign 64
  f: ${callee}
    ret`,
    { slices: [1000] },
  );
  expect(outcome.whole).toContain(0x100);
});

// The immediate of the LUI is `c.addi a0, 5`, which goes on behind it.
const WIDE = "wide: .half 0x0eb7, 0x0515";

test.each<[string, string, string[], number]>([
  ["at halves of words", "c.nop\n c.nop\n addi a0, a0, 1", [], 0],
  ["in front of others", `${WIDE}\n addi a0, a0, 1`, ["wide"], 1],
  ["in the middle of others", `${WIDE}\n addi a0, a0, 1`, ["wide + 2"], 6],
  ["in front and in the middle of others", `${WIDE}\n addi a0, a0, 1`, ["wide", "wide + 2"], 7],
  ["in the middle of others, with nothing else", WIDE, ["wide + 2"], 5],
  ["in front and in the middle of others, with nothing else", WIDE, ["wide", "wide + 2"], 5],
])("compressed targets %s", (_name, code, labels, step) => {
  const outcome = run(`
    ${START} ${NEXT}
    c.nop
  one: c.addi a0, 1
    ${NEXT}
    c.nop
  ten: c.addi a0, 10
    ${NEXT}
    ${code}
    ${NEXT}
    ${AGAIN} ${NEXT}
    ${programOf("one", "ten", ...labels, "one", "again")}`);
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * (12 + step)));
});

test.each([
  [
    "the loop in the first",
    `.org ${BODY + 0xf40}\n start: ${START} ${NEXT}\n ten: addi a0, a0, 10\n ${NEXT}`,
    `.org ${BODY + 0x1040}\n one: addi a0, a0, 1\n ${NEXT}\n ${AGAIN} ${NEXT}`,
  ],
  [
    "the loop in the second",
    `.org ${BODY + 0xf40}\n one: addi a0, a0, 1\n ${NEXT}\n ${AGAIN} ${NEXT}`,
    `.org ${BODY + 0x1040}\n start: ${START} ${NEXT}\n ten: addi a0, a0, 10\n ${NEXT}`,
  ],
  [
    "one across the boundary",
    `.org ${BODY + 0xf00}\n start: ${START} ${NEXT}`,
    `.org ${BODY + 0xffe}\n ten: addi a0, a0, 10\n ${NEXT}\n one: addi a0, a0, 1\n ${NEXT}\n ${AGAIN} ${NEXT}`,
  ],
])("handlers in both pages, %s", (_name, first, second) => {
  const outcome = run(`
    j start
    ${first}
    ${second}
    .org ${BODY + 0x1800}
    ${programOf("one", "ten", "one", "ten", "ten", "again")}`);
  expect(outcome.x("a0")).toBe(BigInt(ROUNDS * 32));
});

test("handlers that are rewritten between rounds", () => {
  const outcome = run(
    `
    ${START} ${NEXT}
    ${HANDLERS}
  again: addi s8, s8, -1
    beqz s8, done
    mv s10, s9
    andi t3, s8, 127
    bnez t3, .Lsame
    la t3, ten
    lw t4, 0(t3)
    li t1, 1 << 20
    add t4, t4, t1
    sw t4, 0(t3)
    fence.i
  .Lsame:
    ${NEXT}
    ${programOf("one", "ten", "hundred", "again")}`,
    {},
    0.15,
  );
  const changes = Math.floor((ROUNDS - 1) / 128);
  expect(outcome.counters.regionsDropped).toBeGreaterThan(changes);
});

test("handlers in the second page, where another page follows the same one elsewhere", () => {
  const [loop, near, far] = [0xf00, 0xf80, 0x1040];
  // What jumps to `s5` in the second page makes that known as a target.
  const others = (step: number): string => `addi a0, a0, ${step}\n jr s4\n .zero 56\n mv a2, s5\n jr a2`;
  const outcome = run(
    `li a0, 0\n ${visits(
      (base) => `
      li s8, 400
      li s3, ${base + near}
      li s4, ${base + loop}
      li s5, ${base + far}
      li s7, ${base + far + 64}
      mv a2, s4`,
    )}`,
    {
      prepare: (processor) => {
        place(
          processor,
          DATA + loop,
          `addi s8, s8, -1
          beqz s8, out
          mv a2, s7
          slti t3, s8, 200
          beqz t3, go
          mv a2, s3
          andi t3, s8, 1
          bnez t3, go
          mv a2, s5
        go: jr a2
        out: jr s6`,
        );
        place(processor, DATA + near, "addi a0, a0, 1\n jr s4");
        place(processor, DATA + far, others(16));
        place(processor, DATA + 0x1000 + far, others(256));
      },
      map: mapTwice,
    },
    0.3,
  );
  expect(outcome.x("a0")).toBe(BigInt(4 * 100 + 2 * 299 * (16 + 256)));
});

import { expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import type { Processor } from "../../src/index.ts";
import { attempt, DATA, type Ending, ORIGIN, SUPERVISOR_PAGE, type Tier } from "./machine.ts";

/** A loop is translated; what it calls is too cold for that and interpreted without giving up the loop. */
const INTERPRETED: Tier = { name: "interpreted", translationThreshold: 0, passes: 1, ramStart: 0 };
const TRANSLATED: Tier = { name: "translated", translationThreshold: 100, passes: 1, ramStart: 0 };
const CALLEES = 40;
const ROUNDS = 2000;

/** The end of the same program in both tiers, after a comparison of what it leaves in its registers. */
function endings(program: Omit<Parameters<typeof attempt>[0], "tier">): Ending {
  const interpreted = attempt({ tier: INTERPRETED, ...program });
  const translated = attempt({ tier: TRANSLATED, ...program });
  for (const ending of [interpreted, translated]) expect(ending.cause).toBe("completed");
  for (const name of ["a0", "a1", "s7", "sp"]) expect(translated.x(name), name).toBe(interpreted.x(name));
  return translated;
}

const every = (callee: (index: number) => string): string[] =>
  Array.from({ length: CALLEES }, (_, index) => callee(index));

/** Calls the next of the functions in the table at s9, round and round: s10 is the place in it, s11 how many are left. */
const CALL_NEXT = `
    ld t0, 0(s10)
    addi s10, s10, 8
    addi s11, s11, -1
    bnez s11, go
    mv s10, s9
    li s11, ${CALLEES}
  go:
    jalr ra, 0(t0)`;

/** Calls one copy of a function after the other. `a0` and `a1` are the function's, `s7` counts instructions. */
const looping = (callee: (index: number) => string): string => `
    li sp, ${DATA + 0x20000}
    li a0, 0
    li a1, 0
    li s7, 0
    li s8, ${ROUNDS}
    la s9, table
    mv s10, s9
    li s11, ${CALLEES}
  loop:
    csrr t3, instret
    ${CALL_NEXT}
    addi a0, a0, 1
    csrr t4, instret
    sub t4, t4, t3
    add s7, s7, t4
    addi s8, s8, -1
    bnez s8, loop
    j done
    ${every((index) => `callee${index}: ${callee(index)}`).join("\n")}
    .balign 8
  table:
    ${every((index) => `.dword callee${index}`).join("\n")}
`;

const push = "addi sp, sp, -16\n sd ra, 0(sp)";
const pop = "ld ra, 0(sp)\n addi sp, sp, 16";

test.each<[string, (index: number) => string, bigint]>([
  ["returns", () => "addi a1, a1, 3\n ret", 3n],
  ["has a loop", (i) => `li t1, 5\n l${i}: addi a1, a1, 1\n addi t1, t1, -1\n bnez t1, l${i}\n ret`, 5n],
  ["calls another", (i) => `${push}\n jal ra, c${i}\n ${pop}\n ret\n c${i}: addi a1, a1, 5\n ret`, 5n],
  ["goes on elsewhere", (i) => `addi a1, a1, 2\n j t${i}\n ebreak\n t${i}: addi a1, a1, 1\n ret`, 3n],
  [
    "writes CSRs",
    () => "csrrw t1, sscratch, a1\n csrsi sstatus, 2\n csrci sstatus, 2\n addi a1, a1, 1\n ret",
    1n,
  ],
  ["orders code and mappings", () => "fence.i\n sfence.vma\n addi a1, a1, 1\n ret", 1n],
  [
    "returns as from a trap",
    () => "csrw mepc, ra\n li t1, 0x1800\n csrs mstatus, t1\n addi a1, a1, 4\n mret",
    4n,
  ],
  [
    "uses atomics",
    () => `li t1, ${DATA}\n lr.d t2, (t1)\n addi a1, a1, 2\n sc.d t2, a1, (t1)\n add a1, a1, t2\n ret`,
    2n,
  ],
  [
    "accesses two pages",
    () => `li t1, ${DATA + 4093}\n addi a1, a1, 1\n sd a1, 0(t1)\n ld a1, 0(t1)\n ret`,
    1n,
  ],
])("a cold callee that %s", (_what, callee, step) => {
  const ending = endings({ mode: "machine", body: looping(callee) });
  expect(ending.x("a0")).toBe(BigInt(ROUNDS));
  expect(ending.x("a1")).toBe(step * BigInt(ROUNDS));
});

test("a cold callee that returns behind where it was called from", () => {
  const ending = endings({ mode: "machine", body: looping(() => "addi a1, a1, 7\n addi ra, ra, 4\n jr ra") });
  expect(ending.x("a0")).toBe(0n);
  expect(ending.x("a1")).toBe(7n * BigInt(ROUNDS));
});

test("translated and cold functions that call one another deeper than the host's stack is to go", () => {
  const depth = 700;
  const descents = 5;
  const body = `
    li sp, ${DATA + 0x20000}
    li a1, 0
    li s7, 0
    li s8, ${descents}
    la s9, table
    mv s10, s9
    li s11, ${CALLEES}
  descend:
    li a0, ${depth}
    jal ra, down
    addi s8, s8, -1
    bnez s8, descend
    j done
  down:
    beqz a0, bottom
    ${push}
    ${CALL_NEXT}
    addi a1, a1, 1
    ${pop}
  bottom:
    ret
    ${every((index) => `callee${index}: ${push}\n addi a0, a0, -1\n jal ra, down\n addi a1, a1, 2\n ${pop}\n ret`).join("\n")}
    .balign 8
  table:
    ${every((index) => `.dword callee${index}`).join("\n")}
  `;
  const ending = endings({ mode: "machine", body });
  expect(ending.x("a1")).toBe(BigInt(3 * depth * descents));
});

test("a cold callee that traps, and is gone on with by the handler", () => {
  const body = `
    la t0, handler
    csrw mtvec, t0
    j start
    .balign 4
  handler:
    csrr t1, mcause
    li t2, 3
    bne t1, t2, leave
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    addi a1, a1, 100
    mret
  leave:
    li t0, ${ORIGIN}
    jr t0
  start:
    ${looping(() => ".word 0x00100073\n addi a1, a1, 1\n ret").replace("j done", "la t0, trap\n csrw mtvec, t0\n j done")}`;
  expect(endings({ mode: "machine", body }).x("a1")).toBe(101n * BigInt(ROUNDS));
});

test("a cold callee that changes where its caller is mapped", () => {
  const first = 0x4000_0000;
  const second = 0xc000_0000;
  const rounds = 2000;
  // The same code but for what it adds, on two physical pages. Address spaces have numbers, so nothing is flushed.
  const caller = (step: number): string => `
  again:
    ${CALL_NEXT}
    addi a0, a0, ${step}
    addi s8, s8, -1
    bnez s8, again
    jr s6`;
  const prepare = (_hart: unknown, processor: Processor): void => {
    for (const [address, step] of [
      [DATA, 1],
      [DATA + 0x1000, 1000],
    ] as const) {
      const { bytes } = assemble(caller(step), { origin: first });
      processor.memory.bytes.set(bytes, address - ORIGIN);
      processor.memory.markDirty(address, bytes.length);
    }
  };
  const otherRoot = DATA + 0x10000;
  const body = `
    csrr s1, satp
    slli t0, s1, 20
    srli t0, t0, 8
    li t1, ${otherRoot}
    li t2, 512
  copy:
    ld t4, 0(t0)
    sd t4, 0(t1)
    addi t0, t0, 8
    addi t1, t1, 8
    addi t2, t2, -1
    bnez t2, copy
    li t1, ${otherRoot}
    ld t4, 24(t1)
    sd t4, 8(t1)
    li t0, ${otherRoot / 4096}
    li t1, 8
    slli t1, t1, 60
    or s0, t0, t1
    li t1, 1
    slli t1, t1, 44
    or s0, s0, t1
    xor s0, s0, s1
    li a0, 0
    li a1, 0
    li s7, 0
    li s8, ${rounds}
    la s9, table
    mv s10, s9
    li s11, ${CALLEES}
    la s6, done
    li t0, ${first}
    jr t0
    ${every((index) => `callee${index}: xor s1, s1, s0\n csrw satp, s1\n addi a1, a1, 1\n ret`).join("\n")}
    .balign 8
  table:
    ${every((index) => `.dword callee${index}`).join("\n")}
  `;
  const ending = endings({
    mode: "supervisor",
    prepare,
    body,
    map: (map) => {
      map(first, DATA, SUPERVISOR_PAGE);
      map(second, DATA + 0x1000, SUPERVISOR_PAGE);
      map(otherRoot, otherRoot, SUPERVISOR_PAGE);
      for (let page = 0; page < 0x1_0000; page += 0x1000) {
        map(0x8008_0000 + page, 0x8008_0000 + page, SUPERVISOR_PAGE);
      }
    },
  });
  expect(ending.x("a1")).toBe(BigInt(rounds));
  // Whoever is returned to adds: every other time the second page.
  expect(ending.x("a0")).toBe(BigInt((rounds / 2) * 1001));
});

import { Pte } from "@isomorph/mmu";
import { expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import { DEVICE, ENTRIES, lockstep, type Outcome, type Program, place } from "./lockstep.ts";
import { DATA, ORIGIN, SUPERVISOR_PAGE, USER_PAGE } from "./machine.ts";

/** Loops of whole regions know the pages that their accesses went to last. */

const WINDOW = 0x4000_0000;

function run(program: Program, part = 0.5): Outcome {
  const outcome = lockstep(program);
  expect(outcome.whole.length).toBeGreaterThan(0);
  const { instructionsInRegions = 0, instructions = 1 } = outcome.counters;
  expect(instructionsInRegions / instructions).toBeGreaterThan(part);
  return outcome;
}

/** Pages that follow one another in the window, and not in memory. */
const scattered: NonNullable<Program["map"]> = (map) => {
  for (let page = 0; page < 14; page++) {
    map(WINDOW + page * 4096, DATA + ((page * 5) % 14) * 4096, SUPERVISOR_PAGE);
  }
};

/** Calls `f` again and again; hot calls make the region of the loop a whole one. Numbers are at DATA. */
const calling = (times: number, callee: string, before = ""): string => `
    li a0, 0
    li s8, ${times}
  outer:
    ${before}
    jal ra, f
    addi s8, s8, -1
    bnez s8, outer
    j done
  f:
    ${callee}
    ret
  tick: jr t0`;

/** At the end of each loop's body: a call that soon is hot. The copy of what is called makes the region a whole one. */
const TICK = "jal t0, tick";

const fill = ({ memory }: Parameters<NonNullable<Program["prepare"]>>[0]): void => {
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  for (let at = 0; at < 0xe000; at += 8) {
    view.setBigUint64(DATA - ORIGIN + at, BigInt(at) * 0x1_0003_0007n, true);
  }
};

const word = (source: string): number =>
  new DataView(assemble(source, { origin: 0 }).bytes.buffer).getUint32(0, true);

test.each([
  ["aligned", 0, 8, "ld"],
  ["aligned words, from the middle", 4, 4, "lw"],
  ["bytes", 4000, 1, "lbu"],
  ["halves", 4090, 2, "lh"],
  ["large steps", 8, 1016, "ld"],
  ["larger steps than pages", 16, 4104, "ld"],
  ["misaligned", 4001, 8, "ld"],
  ["misaligned words", 4002, 6, "lw"],
  ["downwards", 0x3010, -24, "ld"],
])("loads and stores across pages, %s", (name, start, step, load) => {
  const store = load.replace("l", "s").replace("u", "");
  const body = (base: number): string =>
    calling(
      60,
      `li t1, ${base + start}
    li t2, ${base + 0x7000 + start}
    li t3, ${step > 1000 ? 10 : 60}
  again:
    ${load} t4, 0(t1)
    add a0, a0, t4
    ${store} a0, 0(t2)
    ${load} t5, 0(t2)
    xor a0, a0, t5
    addi t1, t1, ${Math.min(step, 2047)}
    ${step > 2047 ? `addi t1, t1, ${step - 2047 - 2047}\n addi t1, t1, 2047` : ""}
    addi t2, t2, ${step > 2047 ? -step % 64 : step}
    addi t3, t3, -1
    ${TICK}
    bnez t3, again`,
    );
  // What is misaligned is the interpreter's.
  const part = name === "misaligned" ? 0.01 : 0.3;
  run({ body: body(DATA), prepare: fill }, part);
  run({ body: body(WINDOW), prepare: fill, map: scattered }, part);
});

test.each([
  ["in one page", 16],
  ["across the boundary", 4096 - 16],
  ["misaligned", 4096 - 12],
  ["misaligned, across the boundary", 4096 - 15],
  ["moving over it", 4096 - 160],
])("groups of accesses in a loop, %s", (name, start) => {
  const step = name.startsWith("moving") ? 8 : 0;
  run(
    {
      body: calling(
        60,
        `li t1, ${WINDOW + start}
        li t3, 40
      again:
        ld t4, 0(t1)
        ld t5, 8(t1)
        lw t6, 20(t1)
        add a0, a0, t4
        sd a0, 8(t1)
        add a0, a0, t5
        sd t5, 24(t1)
        lbu a2, 9(t1)
        add a0, a0, a2
        sub a0, a0, t6
        sw a0, 16(t1)
        addi t1, t1, ${step}
        addi t3, t3, -1
        ${TICK}
        bnez t3, again`,
      ),
      prepare: fill,
      map: scattered,
    },
    name.startsWith("misaligned") ? 0.01 : 0.2,
  );
});

test("a list over many pages, and one in a single page", () => {
  const count = 200;
  run({
    body: calling(
      30,
      `li t1, ${DATA}
      andi t2, s8, 1
      beqz t2, go
      li t1, ${DATA + 0xe000}
    go:
      ld t3, 8(t1)
      add a0, a0, t3
      sd a0, 16(t1)
      ld t1, 0(t1)
      ${TICK}
      bnez t1, go`,
    ),
    prepare: ({ memory }) => {
      const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
      const nodeOf = (base: number, n: number, pages: number): number =>
        DATA + base + ((n * 7) % pages) * 4096 + Math.floor(n / pages) * 24 * (base === 0 ? 1 : 0.5);
      for (const [base, pages, size] of [
        [0, 13, count],
        [0xe000, 1, 150],
      ] as const) {
        for (let n = 0; n < size; n++) {
          const at = base === 0 ? nodeOf(0, n, pages) : DATA + base + n * 24;
          const following = base === 0 ? nodeOf(0, n + 1, pages) : at + 24;
          view.setBigUint64(at - ORIGIN, n === size - 1 ? 0n : BigInt(following), true);
          view.setBigUint64(at + 8 - ORIGIN, BigInt(n * n), true);
        }
      }
    },
  });
});

test("more base registers than pages are kept for", () => {
  const bases = ["t1", "t2", "t4", "t5", "t6", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s3", "s4"];
  run({
    body: calling(
      60,
      `${bases.map((base, n) => `li ${base}, ${WINDOW + n * 0xc80}`).join("\n")}
      li t3, 30
    again:
      ${bases.map((base) => `ld s5, 0(${base})\n add a0, a0, s5\n sd a0, 0(${base})\n addi ${base}, ${base}, 104`).join("\n")}
      addi t3, t3, -1
      ${TICK}
      bnez t3, again`,
    ),
    prepare: fill,
    map: scattered,
  });
});

test("a device in the middle of a loop, by the register that led to memory before", () => {
  const outcome = run(
    {
      body: calling(
        40,
        `li t3, 40
        li t4, ${DEVICE}
        li t5, ${DATA}
      again:
        mv t1, t5
        andi t2, t3, 7
        bnez t2, go
        mv t1, t4
      go:
        ld a2, 0(t1)
        add a0, a0, a2
        sw a0, 8(t1)
        addi t3, t3, -1
        ${TICK}
        bnez t3, again`,
      ),
      map: () => {},
    },
    0.4,
  );
  expect(outcome.counters.mmioReads).toBe(40 * 5);
});

test("a register that leads to one page by a sum and to others by what was loaded", () => {
  run({
    body: calling(
      60,
      `li t2, ${WINDOW}
      li t3, 40
    again:
      mv t1, t2
      ld a2, 0(t1)
      sd a0, 1024(t1)
      add a0, a0, a2
      andi a3, t3, 3
      beqz a3, go
      slli a3, t3, 3
      add a3, a3, t2
      ld t1, 1536(a3)
      bnez t3, same
    same:
      ld a2, 512(t1)
      sd a0, 520(t1)
      add a0, a0, a2
    go:
      ${TICK}
      addi t3, t3, -1
      bnez t3, again`,
    ),
    prepare: (processor) => {
      fill(processor);
      const view = new DataView(processor.memory.bytes.buffer, processor.memory.bytes.byteOffset);
      for (let n = 0; n < 64; n++) {
        view.setBigUint64(DATA - ORIGIN + 1536 + n * 8, BigInt(WINDOW + ((n * 3) % 14) * 4096), true);
      }
    },
    map: scattered,
  });
});

test("a page that may be used in turns only", () => {
  // Supervisor access to a page of the user (SUM), given and taken in the loop.
  const outcome = run(
    {
      body: calling(
        40,
        `li t1, ${WINDOW}
        li t2, 1 << 18
        li t3, 20
      again:
        csrs sstatus, t2
        ld a2, 0(t1)
        add a0, a0, a2
        andi a2, t3, 3
        bnez a2, go
        csrc sstatus, t2
      go:
        ld a2, 8(t1)
        add a0, a0, a2
        addi t3, t3, -1
        ${TICK}
        bnez t3, again`,
      ),
      handler: `csrr t5, mcause
        add a3, a3, t5
        li t5, 1 << 18
        csrs mstatus, t5
        addi a1, a1, 1
        mret`,
      prepare: fill,
      map: (map) => map(WINDOW, DATA, USER_PAGE),
    },
    0.2,
  );
  expect(outcome.x("a1")).toBe(40n * 5n);
  expect(outcome.x("a3")).toBe(40n * 5n * 13n);
});

test("a loop in a loop, and two that use the same registers one after the other", () => {
  run({
    body: calling(
      30,
      `li t1, ${DATA}
      li t3, 10
    again:
      li t4, 5
      ld t5, 0(t1)
      add a0, a0, t5
    inner:
      ld t5, 1024(t1)
      add a0, a0, t5
      sd a0, 1032(t1)
      addi t1, t1, 256
      addi t4, t4, -1
      ${TICK}
      bnez t4, inner
      addi t3, t3, -1
      ${TICK}
      bnez t3, again
      li t1, ${DATA + 0x8000}
      li t3, 20
    second:
      ld t5, 0(t1)
      sd t5, 512(t1)
      add a0, a0, t5
      addi t1, t1, 512
      addi t3, t3, -1
      ${TICK}
      bnez t3, second`,
    ),
    prepare: fill,
  });
});

/** What is done between two calls of the loop. The addresses of the entries of two pages are in s4 and s5. */
const CHANGING = (callee: string, between: string, times = 60): string => `
    li t0, ${ENTRIES}
    ld s4, 0(t0)
    ld s5, 8(t0)
    ${calling(times, callee, between)}`;
const SUM = `li t1, ${WINDOW}
    li t3, 60
  again:
    ld t4, 0(t1)
    add a0, a0, t4
    beqz t3, done
    sd a0, 8(t1)
    addi t1, t1, 16
    addi t3, t3, -1
    ${TICK}
    bnez t3, again`;
const SWAP = "ld t1, 0(s4)\n ld t2, 0(s5)\n sd t1, 0(s5)\n sd t2, 0(s4)\n";
const WINDOWS: Pick<Program, "map" | "entries" | "prepare"> = {
  entries: [WINDOW, WINDOW + 0x1000],
  prepare: fill,
  map: (map) => {
    map(WINDOW, DATA + 0x4000, SUPERVISOR_PAGE);
    map(WINDOW + 0x1000, DATA + 0x5000, SUPERVISOR_PAGE);
  },
};

test.each([
  ["everything", "sfence.vma"],
  ["the page", `li t1, ${WINDOW}\n sfence.vma t1, zero`],
])("a page that is exchanged between two entries of the loop, and flushed with %s", (_name, fence) => {
  run({ body: CHANGING(SUM, `${SWAP} ${fence}`), ...WINDOWS });
});

test("a page that is exchanged by what the loop calls", () => {
  run(
    {
      body: CHANGING(
        `mv s7, ra
        la s3, exchange
        li t1, ${WINDOW}
        li t3, 30
      again:
        ld t4, 0(t1)
        add a0, a0, t4
        sd a0, 8(t1)
        andi t2, t3, 7
        bnez t2, go
        jalr s3
      go:
        addi t1, t1, 16
        addi t3, t3, -1
        ${TICK}
        bnez t3, again
        jr s7
      exchange:
        ld t4, 0(s4)
        ld t2, 0(s5)
        sd t4, 0(s5)
        sd t2, 0(s4)
        sfence.vma`,
        "",
      ),
      ...WINDOWS,
    },
    0.3,
  );
});

test("a page that is exchanged in the middle of the loop, by what interrupts it", () => {
  // The loop traps, and the handler exchanges the pages.
  run(
    {
      body: CHANGING(
        `li t1, ${WINDOW}
        li t3, 64
      again:
        ld t4, 0(t1)
        add a0, a0, t4
        sd a0, 8(t1)
        andi t2, t3, 31
        bnez t2, go
        lw t2, 0(zero)
      go:
        addi t1, t1, 16
        addi t3, t3, -1
        ${TICK}
        bnez t3, again`,
        "",
      ),
      handler: `csrr t5, mepc
        addi t5, t5, 4
        csrw mepc, t5
        ld t5, 0(s4)
        ld t6, 0(s5)
        sd t5, 0(s5)
        sd t6, 0(s4)
        sfence.vma
        addi a1, a1, 1
        mret`,
      ...WINDOWS,
    },
    0.4,
  );
});

test("a page that becomes read-only, and writable again where it is written", () => {
  const outcome = run(
    {
      body: CHANGING(
        SUM,
        `andi t1, s8, 3
        bnez t1, same
        ld t1, 0(s4)
        andi t1, t1, ~${Pte.W}
        sd t1, 0(s4)
        sfence.vma
      same:`,
      ),
      handler: `csrr t5, mcause
        add a3, a3, t5
        csrr t5, mtval
        add a4, a4, t5
        ld t5, 0(s4)
        ori t5, t5, ${Pte.W}
        sd t5, 0(s4)
        sfence.vma
        addi a1, a1, 1
        mret`,
      ...WINDOWS,
    },
    0.4,
  );
  expect(outcome.x("a1")).toBe(15n);
  expect(outcome.x("a3")).toBe(15n * 15n);
});

test("a page that may be read only, behind one that may be written", () => {
  const outcome = run(
    {
      body: CHANGING(
        SUM.replace(`${WINDOW}`, `${WINDOW + 0xe00}`),
        `andi t1, s8, 3
        bnez t1, same
        ld t1, 0(s5)
        andi t1, t1, ~${Pte.W}
        sd t1, 0(s5)
        sfence.vma
      same:
        li t1, ${WINDOW + 0x1000}
        ld t2, 0(t1)`,
      ),
      handler: `csrr t5, mcause
        add a3, a3, t5
        csrr t5, mtval
        add a4, a4, t5
        ld t5, 0(s5)
        ori t5, t5, ${Pte.W}
        sd t5, 0(s5)
        sfence.vma
        mret`,
      ...WINDOWS,
    },
    0.4,
  );
  expect(outcome.x("a3")).toBe(15n * 15n);
});

test("an access across the end of a page that was accessed before by the same register", () => {
  run(
    {
      body: calling(
        40,
        `li t1, ${WINDOW + 0xf00}
        li t3, 60
      again:
        ld t4, 0(t1)
        add a0, a0, t4
        sd a0, 0(t1)
        andi t4, t1, 63
        addi t4, t4, -56
        bnez t4, go
        sd a0, 4(t1)
        lw t4, 6(t1)
        add a0, a0, t4
      go:
        addi t1, t1, 8
        addi t3, t3, -1
        ${TICK}
        bnez t3, again`,
      ),
      prepare: fill,
      map: scattered,
    },
    0.3,
  );
});

test("a loop that stores to the page of its own code", () => {
  const outcome = run(
    {
      body: calling(
        40,
        `la t1, here
        li t2, ${DATA}
        li t3, 30
      again:
        andi t4, t3, 15
        mv t5, t2
        bnez t4, go
        mv t5, t1
      go:
        sd a0, 0(t5)
        ld t4, 0(t5)
        add a0, a0, t4
        addi a0, a0, 1
        addi t3, t3, -1
        ${TICK}
        bnez t3, again
        ret
        .balign 8
      here: .dword 0
      `,
      ),
    },
    0.1,
  );
  expect(outcome.counters.regionsDropped).toBeGreaterThan(1);
});

test("a loop that writes its own instructions", () => {
  const [first, second] = ["addi a0, a0, 1", "addi a0, a0, 512"].map(word);
  const outcome = run(
    {
      body: calling(
        20,
        `la t1, target
        li t2, ${DATA}
        li t5, ${first}
        li t6, ${second}
        li t3, 100
      again:
        andi t4, t3, 63
        mv a2, t2
        bnez t4, go
        mv a2, t1
        xor a3, t5, t6
        xor a4, a4, a3
      go:
        xor a3, t5, a4
        sw a3, 0(a2)
        fence.i
        jal t0, target
        addi t3, t3, -1
        ${TICK}
        bnez t3, again
        ret
      target: addi a0, a0, 1
        jr t0`,
      ),
    },
    0.1,
  );
  expect(outcome.counters.regionsDropped).toBeGreaterThan(10);
});

test("code that is written by a loop in another page, and executed then", () => {
  const target = DATA + 0x9000;
  const [first, second] = ["addi a0, a0, 1", "addi a0, a0, 512"].map(word);
  const outcome = run(
    {
      body: calling(
        40,
        `li t1, ${target}
        li t3, 100
        li t5, ${first}
        andi t2, s8, 1
        beqz t2, again
        li t5, ${second}
      again:
        sw t5, 0(t1)
        addi t1, t1, 4
        addi t3, t3, -1
        ${TICK}
        bnez t3, again
        li t3, 0x67
        li t5, 0x00008067
        sw t5, 0(t1)
        fence.i
        mv s7, ra
        li t1, ${target}
        jalr t1
        jalr t1
        jalr t1
        jalr t1
        mv ra, s7`,
      ),
      prepare: (processor) => place(processor, target, "ret"),
    },
    0.3,
  );
  expect(outcome.x("a0")).toBe(BigInt(40 * 4 * 50 * 513));
});

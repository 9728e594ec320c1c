import { expect, test } from "vitest";
import { DEVICE } from "./lockstep.ts";
import { DATA, ORIGIN, USER_PAGE } from "./machine.ts";
import { calling, fill, run, scattered, TICK, WINDOW } from "./page-cache-programs.ts";

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

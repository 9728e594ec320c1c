import { Pte } from "@isomorph/mmu";
import { expect, test } from "vitest";
import { ENTRIES, type Program } from "./lockstep.ts";
import { DATA, SUPERVISOR_PAGE } from "./machine.ts";
import { calling, fill, run, TICK, WINDOW } from "./page-cache-programs.ts";

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

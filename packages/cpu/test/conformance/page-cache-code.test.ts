import { expect, test } from "vitest";
import { place } from "./lockstep.ts";
import { DATA } from "./machine.ts";
import { calling, run, TICK, word } from "./page-cache-programs.ts";

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

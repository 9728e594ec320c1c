import { describe, expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import type { Processor } from "../../src/index.ts";
import { attempt, DATA, type Ending, ORIGIN, SUPERVISOR_PAGE, TIERS } from "./machine.ts";

/** What translated code takes special care of; the interpreter says the same. */
describe.each(TIERS)("$name", (tier) => {
  const run = (body: string, rest: Partial<Parameters<typeof attempt>[0]> = {}): Ending =>
    attempt({ tier, mode: "machine", body, ...rest });

  const place = (processor: Processor, address: number, source: string): void => {
    const { bytes } = assemble(source, { origin: address });
    processor.memory.bytes.set(bytes, address - ORIGIN);
    processor.memory.markDirty(address, bytes.length);
  };

  const here = 0x4000_0000;
  const there = 0x4010_0000;
  /** The first page of the data at two addresses, with another page behind it at each. */
  const twice: Parameters<typeof attempt>[0]["map"] = (map) => {
    map(here, DATA, SUPERVISOR_PAGE);
    map(here + 0x1000, DATA + 0x1000, SUPERVISOR_PAGE);
    map(there, DATA, SUPERVISOR_PAGE);
    map(there + 0x1000, DATA + 0x2000, SUPERVISOR_PAGE);
  };

  test.each([
    ["between pages", 8, "addi a0, a0, 1"],
    ["within an instruction", 4, ".half 0x0505"],
  ])("a loop across the boundary of two pages, %s", (_name, before, first) => {
    const start = DATA + 4096 - before;
    const prepare = (_hart: unknown, processor: Processor): void =>
      place(processor, start, `loop: ${first}\n addi a1, a1, -1\n addi a0, a0, 16\n bnez a1, loop\n ret`);
    const ending = run(`li a0, 0\n li a1, 5000\n li t0, ${start}\n jalr t0`, { prepare });
    expect(ending.cause).toBe("completed");
    expect(ending.x("a0")).toBe(5000n * 17n);
  });

  test("the page that follows depends on where the first one is mapped", () => {
    const entry = 4088;
    const prepare = (_hart: unknown, processor: Processor): void => {
      const rest = (step: number): string => `addi a0, a0, ${step}\n bnez a1, . - 12\n ret`;
      place(processor, DATA + entry, "addi a0, a0, 1\n addi a1, a1, -1");
      place(processor, DATA + 0x1000, rest(16));
      place(processor, DATA + 0x2000, rest(256));
    };
    const call = (base: number, result: string): string =>
      `li a0, 0\n li a1, 2000\n li t0, ${base + entry}\n jalr t0\n mv ${result}, a0\n`;
    const ending = run(`${call(here, "s6")}${call(there, "s7")}${call(here, "s8")}${call(there, "s9")}`, {
      mode: "supervisor",
      prepare,
      map: twice,
    });
    expect(ending.cause).toBe("completed");
    expect(["s6", "s7", "s8", "s9"].map((name) => ending.x(name))).toEqual([
      34000n,
      514000n,
      34000n,
      514000n,
    ]);
  });

  test("a store to the second page changes what is executed after FENCE.I", () => {
    const start = DATA + 4088;
    const prepare = (_hart: unknown, processor: Processor): void =>
      place(
        processor,
        start,
        "loop: addi a0, a0, 1\n addi a1, a1, -1\n addi a0, a0, 16\n bnez a1, loop\n ret",
      );
    const call = `li a0, 0\n li a1, 2000\n li t0, ${start}\n jalr t0\n`;
    const patch = assemble("addi a0, a0, 256", { origin: 0 }).bytes;
    const word = new DataView(patch.buffer, patch.byteOffset).getUint32(0, true);
    const store = `li t1, ${DATA + 4096}\n li t2, ${word}\n sw t2, 0(t1)\n fence.i\n`;
    const ending = run(`${call} mv s6, a0\n ${store} ${call}`, { prepare });
    expect(ending.x("s6")).toBe(34000n);
    expect(ending.x("a0")).toBe(514000n);
  });

  test("a branch around one instruction leads around it in whatever page that is", () => {
    const entry = 4096 - 8;
    const prepare = (_hart: unknown, processor: Processor): void => {
      place(processor, DATA + entry, "andi t3, s0, 1\n bnez t3, . + 8");
      place(processor, DATA + 0x1000, "addi s1, s1, 1\n ret");
      place(processor, DATA + 0x2000, "addi s1, s1, 256\n ret");
    };
    const call = (base: number, result: string): string => `
      li s0, 3001
      li s1, 0
      li t0, ${base + entry}
    1:
      jalr t0
      addi s0, s0, -1
      bnez s0, 1b
      mv ${result}, s1\n`;
    const ending = run(`${call(here, "s6")}${call(there, "s7")}${call(here, "s8")}`, {
      mode: "supervisor",
      prepare,
      map: twice,
    });
    expect([ending.x("s6"), ending.x("s7"), ending.x("s8")]).toEqual([1500n, 1500n * 256n, 1500n]);
  });

  test.each([
    ["in one page", 0],
    ["across two pages", 4096 - 8],
    ["not aligned", 3],
    ["not aligned, across two pages", 4096 - 13],
  ])("accesses near one another, often, %s", (_name, offset) => {
    const ending = run(`
      li t0, ${DATA + offset}
      li t1, 2000
      sd zero, 0(t0)
      sd zero, 8(t0)
      sw zero, 16(t0)
      sd zero, 24(t0)
    loop:
      ld a0, 0(t0)
      ld a1, 8(t0)
      lw a2, 16(t0)
      addi a0, a0, 1
      addi a1, a1, 2
      addi a2, a2, -1
      addi t0, t0, 8
      sd a1, 0(t0)
      sd a0, -8(t0)
      sw a2, 8(t0)
      lbu a3, 0(t0)
      sb a3, 16(t0)
      addi t0, t0, -8
      addi t1, t1, -1
      bnez t1, loop
    `);
    expect(ending.cause).toBe("completed");
    expect([ending.x("a0"), ending.x("a1"), BigInt.asIntN(64, ending.x("a2"))]).toEqual([
      2000n,
      4000n,
      -2000n,
    ]);
    expect(ending.x("a3")).toBe(4000n & 255n);
  });

  test("calls nested deeper than the host's stack is to go, and returns to elsewhere", () => {
    const ending = run(`
      li sp, ${DATA + 0x20000}
      li a0, 3000
      li a1, 0
      jal ra, down
      la ra, elsewhere
      ret
      li a1, -1
    elsewhere:
      j done
    down:
      beqz a0, bottom
      addi sp, sp, -16
      sd ra, 8(sp)
      addi a0, a0, -1
      addi a1, a1, 3
      jal ra, down
      addi a1, a1, 4
      ld ra, 8(sp)
      addi sp, sp, 16
    bottom:
      ret
    `);
    expect(ending.cause).toBe("completed");
    expect(ending.x("a1")).toBe(21000n);
    expect(ending.x("sp")).toBe(BigInt(DATA + 0x20000));
  });

  test("loops that are entered in the middle", () => {
    const ending = run(`
      li a0, 0
      li t1, 50
    outer:
      li t0, 40
      j check
    again:
      addi a0, a0, 1
      andi t2, t0, 1
      beqz t2, check
      addi a0, a0, 2
    check:
      addi t0, t0, -1
      bnez t0, again
      addi t1, t1, -1
      bnez t1, outer
    `);
    expect(ending.x("a0")).toBe(50n * (39n + 20n * 2n));
  });
});

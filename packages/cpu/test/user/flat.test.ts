import { describe, expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import { riscv64User, type UserHart } from "../../src/index.ts";
import { BASE, CODE, DATA, END, load, makeProcessor, put, runProgram, SIZE, TIERS } from "./program.ts";

const LOADS = [
  ["lb", 1],
  ["lh", 2],
  ["lw", 4],
  ["ld", 8],
  ["fld", 8],
] as const;
const STORES = [
  ["sb", 1],
  ["sh", 2],
  ["sw", 4],
  ["sd", 8],
  ["fsw", 4],
] as const;

describe.each(TIERS)("user mode, $name", (tier) => {
  const destination = (name: string): string => (name.startsWith("f") ? "fa0" : "a0");

  describe.each([...LOADS, ...STORES])("%s of %d bytes", (name, size) => {
    const cause = name.includes("l") ? 5 : 7;
    const attempt = (address: bigint) =>
      runProgram(tier, `${name} ${destination(name)}, 0(s0)\n ecall`, (hart) =>
        hart.writeRegister(8, address),
      );

    test.each([
      ["the first byte", BigInt(BASE)],
      ["the last bytes", BigInt(END - size)],
      ["a misaligned address across a page", BigInt(DATA + 4096 - 1)],
    ])("is done at %s", (_, address) => {
      expect(attempt(address)).toMatchObject({ exit: "trap", cause: 8, value: 0n });
    });

    test.each([
      ["before the first byte", BigInt(BASE) - 1n],
      ["at zero", 0n],
      ["one byte over the end", BigInt(END - size + 1)],
      ["after the end", BigInt(END)],
      ["2^32 above what is there", BigInt(DATA) + (1n << 32n)],
      ["2^63 above what is there", BigInt(DATA) + (1n << 63n)],
      ["at the highest address", (1n << 64n) - BigInt(size)],
      ["around the end of all addresses", (1n << 64n) - 1n],
      ["at a negative of what is there", BigInt.asUintN(64, -BigInt(DATA))],
    ])("faults %s", (_, address) => {
      const { exit, cause: found, value, pc, processor } = attempt(address);
      expect({ exit, cause: found, value, pc }).toEqual({
        exit: "trap",
        cause,
        value: address,
        pc: BigInt(CODE) + 4n,
      });
      expect(processor.memory.view(DATA, END - DATA).every((byte) => byte === 0)).toBe(true);
    });
  });

  test("constant offsets count for the bounds", () => {
    const over = runProgram(tier, "ld a0, 8(s0)\n ecall", (hart) => hart.writeRegister(8, BigInt(END - 8)));
    expect(over).toMatchObject({ cause: 5, value: BigInt(END) });
    const under = runProgram(tier, "sd a0, -8(s0)\n ecall", (hart) => hart.writeRegister(8, BigInt(BASE)));
    expect(under).toMatchObject({ cause: 7, value: BigInt(BASE - 8) });
    const back = runProgram(tier, "ld a0, -8(s0)\n ecall", (hart) => hart.writeRegister(8, BigInt(END)));
    expect(back).toMatchObject({ cause: 8 });
  });

  test("misaligned accesses give the bytes that are there", () => {
    const { x } = runProgram(
      tier,
      `li t0, 0x1122334455667788
       sd t0, -3(s0)
       ld a0, -3(s0)
       lw a1, -2(s0)
       lhu a2, -1(s0)
       lbu a3, 0(s0)
       ecall`,
      (hart) => hart.writeRegister(8, BigInt(DATA + 4096)),
    );
    expect([x("a0"), x("a1"), x("a2"), x("a3")]).toEqual([0x1122334455667788n, 0x44556677n, 0x5566n, 0x55n]);
  });

  test("a fault in the middle of a group of accesses leaves what comes before it done, and nothing else", () => {
    const { cause, value, pc, x, processor, retired } = runProgram(
      tier,
      `li a0, 1
       sd a0, -16(s0)
       li a1, 2
       sd a1, -8(s0)
       li a2, 3
       sd a2, 0(s0)
       li a3, 4
       sd a3, -24(s0)
       ecall`,
      (hart) => hart.writeRegister(8, BigInt(END)),
    );
    expect({ cause, value, pc, retired }).toEqual({
      cause: 7,
      value: BigInt(END),
      pc: BigInt(CODE + 4 + 20),
      retired: 6,
    });
    expect([x("a0"), x("a1"), x("a2"), x("a3")]).toEqual([1n, 2n, 3n, 0n]);
    const words = new BigUint64Array(processor.memory.view(END - 24, 24).slice().buffer);
    expect([...words]).toEqual([0n, 1n, 2n]);
  });

  test("atomics and reservations", () => {
    const { cause, x } = runProgram(
      tier,
      `li a0, 5
       amoadd.d a1, a0, (s0)
       amoswap.w a2, a0, (s0)
       lr.d a3, (s0)
       sc.d a4, a1, (s0)
       sc.d a5, a1, (s0)
       ld a6, 0(s0)
       ecall`,
      (hart) => hart.writeRegister(8, BigInt(END - 8)),
    );
    expect(cause).toBe(8);
    expect(["a1", "a2", "a3", "a4", "a5", "a6"].map(x)).toEqual([0n, 5n, 5n, 0n, 1n, 0n]);
  });

  test.each([
    ["lr.d a0, (s0)", DATA + 4, 4],
    ["amoadd.w a0, a0, (s0)", DATA + 2, 6],
    ["lr.w a0, (s0)", END, 5],
    ["amoadd.d a0, a0, (s0)", END, 7],
    ["amoadd.d a0, a0, (s0)", BASE - 8, 7],
    ["cbo.zero (s0)", END, 7],
  ])("%s at %d ends with cause %d", (text, address, cause) => {
    const ending = runProgram(tier, `${text}\n ecall`, (hart) => hart.writeRegister(8, BigInt(address)));
    expect(ending).toMatchObject({ cause, value: BigInt(address), pc: BigInt(CODE + 4) });
  });

  test("cbo.zero zeroes its block", () => {
    const { cause, processor } = runProgram(tier, "cbo.zero (s0)\n ecall", (hart, { memory }) => {
      memory.view(DATA, 256).fill(0xff);
      hart.writeRegister(8, BigInt(DATA + 100));
    });
    expect(cause).toBe(8);
    const bytes = [...processor.memory.view(DATA, 256)];
    expect(bytes.flatMap((byte, at) => (byte === 0 ? [at] : []))).toEqual(
      Array.from({ length: 64 }, (_, i) => 64 + i),
    );
  });

  test("floating point, with flags and rounding mode in fcsr", () => {
    const { cause, hart, x } = runProgram(
      tier,
      `li t0, 3
       fcvt.d.l fa0, t0
       li t0, 1
       fcvt.d.l fa1, t0
       fdiv.d fa2, fa1, fa0
       fmv.x.d a0, fa2
       csrr a1, fcsr
       ecall`,
      (hart) => {
        hart.fcsr = 2 << 5;
      },
    );
    expect({ cause, a0: x("a0"), a1: x("a1"), fcsr: hart.fcsr }).toEqual({
      cause: 8,
      a0: 0x3fd5555555555555n,
      a1: (2n << 5n) | 1n,
      fcsr: (2 << 5) | 1,
    });
    expect(hart.readFloatRegister(12)).toBe(0x3fd5555555555555n);
  });

  test("programs read the counters, and no other state", () => {
    const { x, cause } = runProgram(tier, "rdtime a0\n rdinstret a1\n rdinstret a2\n sub a2, a2, a1\n ecall");
    expect({ cause, a0: x("a0"), a2: x("a2") }).toEqual({ cause: 8, a0: 12345n, a2: 1n });
    for (const text of [
      "csrr a0, sstatus",
      "csrr a0, satp",
      "csrw scause, a0",
      "csrw time, a0",
      "mret",
      "sret",
      "wfi",
    ]) {
      expect(runProgram(tier, `${text}\n ecall`)).toMatchObject({ cause: 2, pc: BigInt(CODE + 4) });
    }
    expect(runProgram(tier, "sfence.vma\n ecall")).toMatchObject({ cause: 2, value: 0x12000073n });
  });

  test("ebreak and illegal instructions say where and what", () => {
    expect(runProgram(tier, "nop\n ebreak")).toMatchObject({ exit: "trap", cause: 3, pc: BigInt(CODE + 8) });
    expect(runProgram(tier, "nop\n .half 0")).toMatchObject({ cause: 2, value: 0n, pc: BigInt(CODE + 8) });
    expect(runProgram(tier, ".word 0xffffffff")).toMatchObject({ cause: 2, value: 0xffff_ffffn });
  });

  test.each([
    ["below the address space", 0n],
    ["above it", BigInt(END)],
    ["2^32 above code", BigInt(CODE) + (1n << 32n)],
    ["at a negative address", (1n << 64n) - 4n],
  ])("a jump %s is a fetch that faults there", (_, target) => {
    const ending = runProgram(tier, "jr s0", (hart) => hart.writeRegister(8, target));
    expect(ending).toMatchObject({ cause: 1, value: target, pc: target });
  });

  test("direct jumps out of the address space fault too", () => {
    const target = BigInt(CODE) - 0x8000n;
    const ending = runProgram(tier, "j .-0x8004");
    expect(ending).toMatchObject({ cause: 1, value: target, pc: target });
    const call = runProgram(tier, "li ra, 0\n jal ra, .-0x8008");
    expect(call).toMatchObject({ cause: 1, value: target, pc: target });
    expect(call.x("ra")).toBe(BigInt(CODE) + 12n);
  });

  test("running over the end of the address space faults at the end", () => {
    const { processor, hart } = load(tier, "nop");
    put(processor, END - 4, assemble("nop").bytes);
    hart.pc = BigInt(END - 4);
    expect([hart.run(100), hart.trapCause, hart.trapValue, hart.pc]).toEqual([
      "trap",
      1,
      BigInt(END),
      BigInt(END),
    ]);
    // An instruction that does not fit.
    put(processor, END - 2, Uint8Array.of(0x13, 0));
    hart.pc = BigInt(END - 2);
    expect([hart.run(100), hart.trapCause, hart.trapValue, hart.pc]).toEqual([
      "trap",
      1,
      BigInt(END),
      BigInt(END - 2),
    ]);
  });

  test("a budget is used up exactly, and the program goes on where it was", () => {
    const text = "li a0, 0\n 1: addi a0, a0, 1\n sd a0, 0(s0)\n ld a1, 0(s0)\n j 1b";
    const { hart } = load(tier, text);
    hart.writeRegister(8, BigInt(DATA));
    let executed = 0;
    for (const budget of [1, 2, 3, 50, 1000, 7, 100_000, 1, 12_345, 13]) {
      expect(hart.run(budget)).toBe("budget");
      executed += budget;
      expect(hart.instructionsRetired).toBe(executed);
      expect(hart.readRegister(10)).toBe(BigInt(Math.floor((executed - 1 + 3) / 4)));
    }
    for (const budget of [0, -1, 1.5, 2 ** 30]) expect(() => hart.run(budget)).toThrow(RangeError);
  });

  test("an ecall consumes budget, retires nothing, and the embedder goes on behind it", () => {
    const { hart } = load(tier, "1: addi a0, a0, 1\n ecall\n j 1b");
    for (let call = 1; call <= 50; call++) {
      expect(hart.run(3)).toBe("trap");
      expect(hart.readRegister(10)).toBe(BigInt(call));
      expect(hart.instructionsRetired).toBe(2 * call - 1);
      hart.pc += 4n;
    }
  });

  test("a requested exit comes before anything else", () => {
    const { hart } = load(tier, "1: j 1b");
    hart.requestExit();
    expect(hart.run(1000)).toBe("requested");
    expect(hart.run(1000)).toBe("budget");
  });

  /** Calls `code`, which gives a number, 10 times. */
  const CALLER =
    "li s1, 10\n 1: call code\n addi s1, s1, -1\n bnez s1, 1b\n ecall\n .balign 4096\n code: li a0, 1\n ret";

  test("code that the program writes is there after fence.i", () => {
    const patch = new DataView(assemble("c.li a0, 2").bytes.buffer).getUint16(0, true);
    const text = `
      li s2, 3
      again: li s1, 10
      1: call code
      addi s1, s1, -1
      bnez s1, 1b
      mv s3, a0
      la t0, code
      li t1, ${patch}
      sh t1, 0(t0)
      fence.i
      addi s2, s2, -1
      bnez s2, again
      call code
      ecall
      .balign 4096
      code: c.li a0, 1
      ret`;
    const { hart } = load(tier, text);
    expect([hart.run(1_000_000), hart.trapCause]).toEqual(["trap", 8]);
    expect([hart.readRegister(19), hart.readRegister(10)]).toEqual([2n, 2n]);
  });

  test("code that the embedder writes is there after markDirty, or a fence", () => {
    const { hart, processor, symbols } = load(tier, CALLER);
    const code = Number(symbols.get("code"));
    const call = (): bigint => {
      hart.pc = BigInt(CODE);
      expect([hart.run(1_000_000), hart.trapCause]).toEqual(["trap", 8]);
      return hart.readRegister(10);
    };
    for (let turn = 0; turn < 4; turn++) expect(call()).toBe(1n);
    for (let value = 2; value < 10; value++) {
      const { bytes } = assemble(`li a0, ${value}`);
      if (value % 2 === 0) put(processor, code, bytes);
      else {
        processor.memory.view(code, bytes.length).set(bytes);
        hart.fenceInstruction();
      }
      for (let turn = 0; turn < 4; turn++) expect(call()).toBe(BigInt(value));
    }
    if (tier.translationThreshold > 0) expect(processor.counters().regionsDropped).toBeGreaterThan(0);
  });

  test("writes beside code drop nothing", () => {
    const { hart, processor, symbols } = load(tier, CALLER);
    for (let turn = 0; turn < 600; turn++) {
      hart.pc = BigInt(CODE);
      expect(hart.run(1_000_000)).toBe("trap");
      processor.memory.markDirty(Number(symbols.get("code")) + 2048, 8);
      hart.fenceInstruction();
    }
    expect(processor.counters().regionsDropped).toBe(0);
  });

  test("loops over three pages, and calls from page to page", () => {
    const text = `
      li s1, 200
      loop: addi a0, a0, 1
      call far
      j second
      .balign 4096
      second: addi a0, a0, 2
      j third
      .balign 4096
      third: addi a0, a0, 3
      addi s1, s1, -1
      beqz s1, out
      j loop
      out: ecall
      .balign 4096
      far: addi a0, a0, 4
      ret`;
    const { hart } = load(tier, text);
    expect([hart.run(1_000_000), hart.trapCause, hart.readRegister(10)]).toEqual(["trap", 8, 2000n]);
  });
});

test("harts take turns in one address space", () => {
  const processor = makeProcessor(1, 2);
  const { bytes } = assemble("1: amoadd.d a1, a0, (s0)\n addi s1, s1, -1\n bnez s1, 1b\n ecall");
  put(processor, BASE, bytes);
  for (const hart of processor.harts) {
    hart.pc = BigInt(BASE);
    hart.writeRegister(8, BigInt(DATA));
    hart.writeRegister(9, 1000n);
    hart.writeRegister(10, BigInt(hart.id + 1));
  }
  const waiting = new Set(processor.harts);
  while (waiting.size > 0) for (const hart of waiting) if (hart.run(77) === "trap") waiting.delete(hart);
  const sum = new DataView(processor.memory.view(DATA, 8).slice().buffer).getBigUint64(0, true);
  expect(sum).toBe(3000n);
});

test("options that cannot be are refused", () => {
  const clock = { frequency: 1, now: () => 0 };
  const good = { memoryBase: BASE, memorySize: SIZE, clock };
  expect(() => riscv64User({ ...good, memoryBase: 100 })).toThrow(RangeError);
  expect(() => riscv64User({ ...good, memorySize: 0 })).toThrow(RangeError);
  expect(() => riscv64User({ ...good, memorySize: 2 ** 32 })).toThrow(RangeError);
  expect(() => riscv64User({ ...good, harts: 9 })).toThrow(RangeError);
  expect(() => riscv64User({ ...good, translationThreshold: -1 })).toThrow(RangeError);
  const [hart] = riscv64User(good).harts as [UserHart];
  expect(() => {
    hart.pc = 3n;
  }).toThrow(RangeError);
});

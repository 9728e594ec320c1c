/** Call stacks: those of compiled programs against the calls that were made, and what hostile guests make of them. */
import type { Hart, Processor } from "@isomorph/cpu";
import { assemble } from "@isomorph/cpu/asm";
import { describe, expect, test } from "vitest";
import { planElf } from "../src/loader/elf.ts";
import { AddressSpace } from "../src/profiler/address-space.ts";
import { MAX_FRAMES, type StackStart, walkStack } from "../src/profiler/stack-walker.ts";
import { readSymbols } from "../src/symbols.ts";
import { compile } from "./support/compiled.ts";
import { PageTables, Pte } from "./support/page-tables.ts";
import { bareProcessor } from "./support/processor.ts";

const RAM = 0x8000_0000;
const RAM_SIZE = 1 << 20;
const STACK = 0x8008_0000n;
const nameless = () => undefined;

function startOf(hart: Hart, isUser = false): StackStart {
  const [ra, sp, fp] = [1, 2, 8].map((register) => hart.readRegister(register)) as [bigint, bigint, bigint];
  return { pc: hart.pc, ra, sp, fp, isUser };
}

/** Recursion, calls through pointers, leaves with and without frames, big frames, early returns. */
const PROGRAM = `
  typedef unsigned long u64;
  volatile u64 sink;
  __attribute__((noinline)) u64 leaf(u64 a) { return a * 3 + sink; }
  __attribute__((noinline)) u64 leaf_with_frame(u64 a) { volatile u64 t[4]; t[a & 3] = a; return t[a & 3]; }
  __attribute__((noinline)) u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  __attribute__((noinline)) u64 big(u64 a) { volatile char t[6000]; t[a % 6000] = a; return leaf(t[17]) + leaf_with_frame(a); }
  __attribute__((noinline)) u64 apply(u64 (*f)(u64), u64 a) { u64 r = 0; for (u64 i = 0; i < 3; i++) r += f(a + i); return r; }
  __attribute__((noinline)) u64 early(u64 a) { if (a & 1) return a; sink += apply(big, a); return sink; }
  __attribute__((noinline)) u64 work(u64 n) {
    u64 r = 0;
    for (u64 i = 0; i < n; i++) r += early(i) + fib(5) + apply(leaf, i) + apply(leaf_with_frame, i);
    return r;
  }
  __attribute__((naked, noreturn)) void _start(void) {
    __asm__ volatile("li sp, ${STACK}; li s0, 0; li ra, 0; li a0, 40; jal work; 1: wfi; j 1b");
  }`;

describe("stacks of compiled programs", () => {
  test.each([["-O0"], ["-O1"], ["-O2"], ["-Os"]])("%s: the calls that were made", (level) => {
    const { bytes } = compile(PROGRAM, [level, "-fno-omit-frame-pointer", "-march=rv64gc"], RAM + 0x1000);
    const symbols = readSymbols(bytes);
    const { processor, hart } = load(bytes);
    const space = new AddressSpace(processor.memory);
    space.select(0n);
    const truth: bigint[] = [];
    let [samples, exact, short] = [0, 0, 0];
    const wrong: string[] = [];
    for (let step = 0; ; step++) {
      if (hart.run(1) === "wait") break;
      if (step > 200_000) throw new Error("the program does not end");
      // Whether the next instruction calls or returns is seen by the pc after it.
      const { pc } = hart;
      const before = processor.memory.data.getUint32(Number(pc) - RAM, true);
      const shown = walkStack(startOf(hart), space, (address) => symbols.find(address));
      const expected = [pc, ...truth.toReversed()];
      samples++;
      if (shown.join() === expected.join()) exact++;
      else if (expected.join().endsWith(shown.slice(1).join())) short++;
      else wrong.push(`${pc.toString(16)}: ${names(shown)} | ${names(expected)}`);
      follow(before, pc, truth);
    }
    function names(addresses: readonly bigint[]): string {
      return addresses.map((address) => symbols.find(address)?.name).join(" < ");
    }
    expect(samples).toBeGreaterThan(15_000);
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(short).toBeLessThan(samples / 200);
    expect(exact).toBeGreaterThan(samples * 0.995);
    processor.close();
  });
});

/** Applies what the instruction at `pc` does to the calls under way. */
function follow(word: number, pc: bigint, calls: bigint[]): void {
  const isCompressed = (word & 3) !== 3;
  const half = word & 0xffff;
  if (isCompressed) {
    if ((half & 0xf07f) === 0x9002 && half !== 0x9002) calls.push(pc + 2n);
    else if (half === 0x8082) calls.pop();
  } else if (((word & 0x7f) === 0x6f || (word & 0x7f) === 0x67) && ((word >>> 7) & 31) === 1)
    calls.push(pc + 4n);
}

function load(elf: Uint8Array): { processor: Processor; hart: Hart } {
  const processor = bareProcessor({ firmware: "guest" });
  const { memory } = processor;
  const plan = planElf(elf, { base: memory.base, size: memory.size }, "KERNEL");
  for (const { gpa, bytes } of plan.segments) memory.view(gpa, bytes.length).set(bytes);
  const hart = processor.harts[0] as Hart;
  hart.reset({ pc: plan.entry, a0: 0, a1: 0 });
  return { processor, hart };
}

describe("what a guest says of its stack is not believed", () => {
  const CODE = BigInt(RAM);
  const processor = bareProcessor();
  const { memory } = processor;
  const space = new AddressSpace(memory);
  space.select(0n);
  const code = assemble("jal ra, 1f; nop; 1: nop; nop; nop; nop", { origin: RAM }).bytes;
  memory.bytes.set(code);
  const AFTER_CALL = CODE + 4n;
  const put = (address: bigint, value: bigint): void =>
    memory.data.setBigUint64(Number(address) - RAM, value, true);
  const record = (fp: bigint, ra: bigint, next: bigint): void => {
    put(fp - 8n, ra);
    put(fp - 16n, next);
  };
  const walk = (fp: bigint, rest: Partial<StackStart> = {}): bigint[] =>
    walkStack({ pc: CODE + 8n, ra: 0n, sp: STACK, fp, isUser: false, ...rest }, space, nameless);

  test("frame pointers that go around end it", () => {
    const fp = STACK + 64n;
    record(fp, AFTER_CALL, fp);
    expect(walk(fp).length).toBeLessThanOrEqual(2);
    record(fp, AFTER_CALL, fp + 64n);
    record(fp + 64n, AFTER_CALL, fp);
    expect(walk(fp)).toHaveLength(3);
    expect(walk(fp, { isUser: true })).toHaveLength(3);
  });

  test("a kernel's frame pointers may leave its stack twice, in the upper half, and not go around there", () => {
    const tables = new PageTables(memory, 3, RAM + 0x9_0000);
    const high = BigInt.asUintN(64, -0x10_0000n);
    const flags = Pte.V | Pte.R | Pte.X;
    for (let page = 0; page < 4; page++)
      tables.map(high + BigInt(page * 4096), RAM + 0x8_0000 + page * 4096, flags);
    tables.map(CODE, RAM, flags);
    const paged = new AddressSpace(memory);
    paged.select(tables.satp);
    const stack = (page: number): bigint => high + BigInt(page * 4096 + 512);
    const place = (page: number): bigint => STACK + BigInt(page * 4096 + 512);
    record(place(2), AFTER_CALL, stack(0));
    record(place(0), AFTER_CALL, stack(3));
    record(place(3), AFTER_CALL, stack(1));
    record(place(1), AFTER_CALL, stack(2));
    const start = { pc: CODE + 8n, ra: 0n, sp: high + 2n * 4096n, fp: stack(2), isUser: false };
    // Down to 0, up to 3, down to 1, up to 2; then down to 0 would be the third time.
    expect(walkStack(start, paged, nameless)).toHaveLength(6);
    expect(walkStack({ ...start, isUser: true }, paged, nameless)).toHaveLength(2);
  });

  test("addresses outside RAM, unmapped, misaligned, at the edges of the address space", () => {
    const places = [
      0n,
      8n,
      16n,
      -16n,
      -8n,
      1n << 63n,
      CODE - 16n,
      CODE + BigInt(RAM_SIZE),
      CODE + BigInt(RAM_SIZE) + 16n,
    ];
    for (const place of places) {
      const fp = BigInt.asUintN(64, place);
      for (const sp of [0n, fp, BigInt.asUintN(64, fp - 32n), (1n << 64n) - 1n]) {
        expect(walk(fp, { sp }).length).toBeLessThanOrEqual(2);
      }
    }
    const fp = STACK + 64n;
    record(fp, AFTER_CALL, 0n);
    expect(walk(fp)).toHaveLength(2);
    for (const off of [1n, 2n, 4n, 8n]) expect(walk(fp + off)).toHaveLength(1);
    record(fp, AFTER_CALL, fp + (1n << 20n) + 16n);
    expect(walk(fp)).toHaveLength(2);
    record(fp, AFTER_CALL + 1n, 0n);
    expect(walk(fp)).toHaveLength(1);
    record(fp, BigInt(RAM - 4096), 0n);
    expect(walk(fp)).toHaveLength(1);
  });

  test("in user code a return address comes after a call", () => {
    const fp = STACK + 64n;
    for (const [ra, frames] of [
      [AFTER_CALL, 2],
      [AFTER_CALL + 4n, 1],
      [CODE, 1],
    ] as const) {
      record(fp, ra, 0n);
      expect(walk(fp, { isUser: true })).toHaveLength(frames);
    }
  });

  test("an endless chain is cut", () => {
    for (let index = 0n; index < 1000n; index++)
      record(STACK + 16n * (index + 1n), AFTER_CALL, STACK + 16n * (index + 2n));
    expect(walk(STACK + 16n)).toHaveLength(MAX_FRAMES);
  });

  test("any registers, memory and page tables: an answer, and a short one", () => {
    let seed = 12345;
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    const word = (): bigint => {
      const kind = random();
      const near = CODE + BigInt(Math.floor((random() * RAM_SIZE) / 8) * 8);
      if (kind < 0.6) return near & ~15n;
      if (kind < 0.7) return BigInt.asUintN(64, -BigInt(Math.floor(random() * 2 ** 40)));
      return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
    };
    const wild = bareProcessor();
    for (let at = 0; at < RAM_SIZE; at += 8) {
      // Some of it reads as page table entries that point into RAM.
      const entry = ((BigInt(RAM) >> 12n) + BigInt(Math.floor(random() * 256))) << 10n;
      wild.memory.data.setBigUint64(
        at,
        random() < 0.5 ? entry | BigInt(Math.floor(random() * 256)) | 1n : word(),
        true,
      );
    }
    const table = new AddressSpace(wild.memory);
    const began = performance.now();
    for (let round = 0; round < 5000; round++) {
      const mode = [0n, 8n, 9n, 10n, 11n, 15n][Math.floor(random() * 6)] as bigint;
      table.select((mode << 60n) | ((BigInt(RAM) >> 12n) + BigInt(Math.floor(random() * 300))));
      const start = { pc: word() & ~1n, ra: word(), sp: word(), fp: word(), isUser: random() < 0.5 };
      expect(walkStack(start, table, nameless).length).toBeLessThanOrEqual(MAX_FRAMES);
    }
    expect(performance.now() - began).toBeLessThan(20_000);
    wild.close();
  });
});

describe("addresses", () => {
  test.each([
    ["Sv39", 3],
    ["Sv48", 4],
    ["Sv57", 5],
  ] as const)("%s: what the processor's own walk says, and no trace of it", (_, levels) => {
    const processor = bareProcessor({ firmware: "guest" });
    const { memory } = processor;
    const hart = processor.harts[0] as Hart;
    const tables = new PageTables(memory, levels, RAM + 0x8_0000);
    const all = Pte.V | Pte.R | Pte.W | Pte.X;
    const asked: bigint[] = [];
    for (let index = 0; index < 25; index++) {
      const va =
        BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, BigInt(index) * 0x12_3456_7890_1000n)) & ~0xfffn;
      const gpa = RAM + (index % 64) * 4096;
      const flags = [all, all | Pte.A | Pte.D, all & ~Pte.X, all & ~Pte.V, Pte.V | Pte.W][
        index % 5
      ] as number;
      tables.map(va, gpa, flags);
      asked.push(va, va + 0xff8n, va + 4096n, va ^ (1n << 62n));
    }
    tables.map(0x4000_0000n, RAM & ~0x1f_ffff, all, 1);
    tables.map(0x4020_0000n, 0x4000_0000, all, 1);
    asked.push(0x4000_0000n, 0x4001_2340n, 0x4020_0000n);
    hart.writeCsr(0x3b0, (1n << 54n) - 1n);
    hart.writeCsr(0x3a0, 0x1fn);
    hart.writeCsr(0x30a, 1n << 61n);
    hart.writeCsr(0x180, tables.satp);
    hart.mode = 1;
    const space = new AddressSpace(memory);
    space.select(tables.satp);
    const before = memory.bytes.slice();
    const counters = processor.counters();
    const ours = asked.map((va) => space.doubleword(va));
    expect(memory.bytes).toEqual(before);
    expect(processor.counters()).toEqual(counters);
    const theirs = asked.map((va) => {
      const gpa = hart.translate(va);
      return gpa === undefined ? undefined : memory.data.getBigUint64(gpa - RAM, true);
    });
    // The processor sets A bits in the tables as it goes, which none of the addresses shows.
    expect(ours).toEqual(theirs);
    expect(ours.filter((value) => value !== undefined).length).toBeGreaterThan(20);
    processor.close();
  });
});

import { describe, expect, it } from "vitest";
import {
  type Code,
  type Int,
  type MemoryOps,
  ModuleBuilder,
  supportsWideMemories,
  type Value,
} from "../src/index.ts";

const GIB = 2 ** 30;

/** A module with two memories, the second one of 5 GiB, and a function that does `body` at an address in that. */
function withMemories(
  shared: boolean,
  body: (c: Code, memory: MemoryOps, at: () => Value<Int>) => Value<"i64">,
): { run: (address: bigint) => bigint; small: DataView; large: DataView } {
  const module = new ModuleBuilder();
  const pages = 5 * (GIB / 65536);
  module.importMemory("", "small", shared ? { min: 1, max: 1, shared } : { min: 1 });
  const limits = shared ? { min: pages, max: pages, shared } : { min: pages };
  const large = module.importMemory("", "large", { ...limits, address: "i64" });
  module.export(
    "run",
    module.function("run", ["i64"], "i64", (c, [at]) => body(c, c.on(large), () => at.get())),
  );
  const descriptor = { initial: BigInt(pages), maximum: BigInt(pages), shared, address: "i64" };
  const memories = {
    small: new WebAssembly.Memory({ initial: 1, maximum: 1, shared }),
    large: new WebAssembly.Memory(descriptor as unknown as WebAssembly.MemoryDescriptor),
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { "": memories });
  return {
    run: (exports as { run: (address: bigint) => bigint }).run,
    small: new DataView(memories.small.buffer),
    large: new DataView(memories.large.buffer),
  };
}

describe("a memory of 64-bit addresses beside memory 0", () => {
  const address = 4 * GIB + 64;

  it("is known to this engine", () => {
    expect(supportsWideMemories()).toBe(true);
  });

  it("has loads and stores of every width and type, with offsets of more than 32 bits", () => {
    const { run, small, large } = withMemories(false, (c, { i32, i64, f32, f64 }, at) => {
      i32.store8(at(), c.i32.const(0xf1));
      i32.store16(at(), c.i32.const(0xf2f3), 2);
      i32.store(at(), 0x0405_0607, 4);
      i64.store(at(), -2n, 8);
      i64.store32(at(), 0x1_2345_6789, 2 ** 29);
      f32.store(at(), c.f32.reinterpretI32(c.i32.const(0x3f80_0000)), 16);
      f64.store(at(), c.f64.const(1.5), 24);
      c.i32.store(c.i32.const(64), 7);
      const sum = c.let64(c.i64.extendI32S(i32.load8S(at())));
      const add = (value: Value<"i64">): void => sum.set(c.i64.add(value, sum.get()));
      add(i64.load16U(at(), 2));
      add(i64.load(at(), 8));
      add(i64.load32U(at(), 2 ** 29));
      add(c.i64.truncSatF64S(f64.load(at(), 24)));
      return sum.get();
    });
    expect(run(BigInt(address))).toBe(BigInt(0xf1 - 0x100 + 0xf2f3 - 2 + 0x2345_6789 + 1));
    const bytes = Array.from({ length: 16 }, (_, index) => large.getUint8(address + index));
    expect(bytes).toEqual([0xf1, 0, 0xf3, 0xf2, 7, 6, 5, 4, 0xfe, 255, 255, 255, 255, 255, 255, 255]);
    expect(large.getFloat32(address + 16, true)).toBe(1);
    expect(large.getUint32(address + 2 ** 29, true)).toBe(0x2345_6789);
    expect(small.getUint32(64, true)).toBe(7);
    expect(() => run(BigInt(5 * GIB))).toThrow(WebAssembly.RuntimeError);
    const beyond = withMemories(false, (_c, { i64 }, at) => i64.load(at(), 4 * GIB + 2));
    beyond.large.setBigInt64(address, -5n, true);
    expect(beyond.run(62n)).toBe(-5n);
  });

  it("has atomics", () => {
    const { run, large } = withMemories(true, (c, { atomic }, at) => {
      c.drop(atomic.readModifyWrite("add", at(), c.i64.const(5), 8));
      c.drop(atomic.compareExchange(at(), c.i64.const(5), c.i64.const(9), 4));
      c.drop(atomic.or8(at(), c.i32.const(2), 8));
      return atomic.load(at(), 8, 0);
    });
    expect(run(BigInt(address))).toBe(9n);
    expect(large.getUint8(address + 8)).toBe(2);
    expect(() => run(BigInt(address + 1))).toThrow(WebAssembly.RuntimeError);
  });

  it("is copied and filled", () => {
    const { run, large, small } = withMemories(false, (c, memory, at) => {
      memory.fill(at(), c.i32.const(0xab), c.i64.const(3));
      memory.copy(c.i64.const(16), at(), c.i64.const(2));
      return memory.i64.load(c.i64.const(16));
    });
    expect(run(BigInt(address))).toBe(0xababn);
    expect(large.getUint32(address, true)).toBe(0xab_abab);
    expect(small.getUint32(16, true)).toBe(0);
  });
});

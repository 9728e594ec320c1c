import { describe, expect, it } from "vitest";
import { ModuleBuilder } from "../src/index.ts";

function instantiate(
  module: ModuleBuilder,
  imports: WebAssembly.Imports = {},
): Record<string, CallableFunction> {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), imports);
  return instance.exports as Record<string, CallableFunction>;
}

describe("ModuleBuilder", () => {
  it("emits mutually recursive functions, loops and conditionals", () => {
    const module = new ModuleBuilder();
    const odd = module.declare("odd", ["i32"], "i32");
    const even = module.function("even", ["i32"], "i32", (c, [n]) =>
      c.choose(
        "i32",
        c.i32.eqz(n.get()),
        () => c.i32.const(1),
        () => c.call(odd, c.i32.sub(n.get(), 1)),
      ),
    );
    module.define(odd, (c, [n]) =>
      c.choose(
        "i32",
        c.i32.eqz(n.get()),
        () => c.i32.const(0),
        () => c.call(even, c.i32.sub(n.get(), 1)),
      ),
    );
    const gcd = module.function("gcd", ["i64", "i64"], "i64", (c, [a, b]) => {
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.i64.eqz(b.get()));
          const rest = c.let64(c.i64.remU(a.get(), b.get()));
          a.set(b.get());
          b.set(rest.get());
          c.br(again);
        });
      });
      return a.get();
    });
    module.export("even", even);
    module.export("gcd", gcd);
    const { even: isEven, gcd: divisor } = instantiate(module);
    expect([isEven?.(10), isEven?.(7)]).toEqual([1, 0]);
    expect(divisor?.(2n ** 40n * 21n, 2n ** 38n * 35n)).toBe(2n ** 38n * 7n);
  });

  it("begins with the types and imports of another one", () => {
    const start = new ModuleBuilder();
    const twice = start.importFunction("env", "twice", ["i32"], "i32");
    start.importMemory("env", "memory", { min: 1 });
    const memory = new WebAssembly.Memory({ initial: 1 });
    const imports = { env: { twice: (value: number) => value * 2, memory } };
    for (const [name, added] of [
      ["first", 1],
      ["second", 2],
    ] as const) {
      const module = new ModuleBuilder(start);
      const more = module.function("", ["i64"], "i64", (c, [value]) => c.i64.add(value.get(), added));
      const both = module.function("", ["i32"], "i32", (c, [value]) => {
        c.i32.store(c.i32.const(8), value.get());
        return c.call(twice, c.i32.wrapI64(c.call(more, c.i64.extendI32U(value.get()))));
      });
      module.export(name, both);
      expect(instantiate(module, imports)[name]?.(20)).toBe(2 * (20 + added));
    }
    expect(new Uint8Array(memory.buffer)[8]).toBe(20);
    start.function("", [], undefined, () => undefined);
    expect(() => new ModuleBuilder(start)).toThrow(TypeError);
  });

  it("encodes 64-bit constants from numbers and bigints exactly", () => {
    const values = [0, 1, -1, 63, 64, -64, -65, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1];
    const wide = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n, 0x8000_0000_0000_0001n];
    const module = new ModuleBuilder();
    [...values, ...wide].forEach((value, index) => {
      module.export(
        `c${index}`,
        module.function(`c${index}`, [], "i64", (c) => c.i64.const(value)),
      );
    });
    const exports = instantiate(module);
    [...values, ...wide].forEach((value, index) => {
      expect(exports[`c${index}`]?.()).toBe(BigInt.asIntN(64, BigInt(value)));
    });
  });

  it("reuses the variables of a finished scope", () => {
    const module = new ModuleBuilder();
    const indices: number[] = [];
    module.function("f", [], undefined, (c) => {
      for (let i = 0; i < 3; i++)
        c.scope(() => indices.push(c.let64(c.i64.const(i)).index, c.let32(c.i32.const(i)).index));
    });
    expect(new Set(indices).size).toBe(2);
    expect(instantiate(module)).toEqual({});
  });

  it("calls through a table and imports", () => {
    const module = new ModuleBuilder();
    const log = module.importFunction("env", "log", ["f64"]);
    module.importTable("env", "table", { min: 2 });
    const nine = module.function("nine", [], "i32", (c) => c.i32.const(9));
    const call = module.function("call", ["i32"], "i32", (c, [index]) => {
      c.call(log, c.f64.convertI32U(index.get()));
      return c.callIndirect(module.signature([], "i32"), [], index.get());
    });
    module.element(1, [nine]);
    module.export("call", call);
    const table = new WebAssembly.Table({ element: "anyfunc", initial: 2 });
    const seen: number[] = [];
    const exports = instantiate(module, { env: { log: (value: number) => seen.push(value), table } });
    expect(exports.call?.(1)).toBe(9);
    expect(seen).toEqual([1]);
  });

  it("refuses a function without a body or with two", () => {
    const module = new ModuleBuilder();
    const f = module.declare("f", []);
    expect(() => module.toBytes()).toThrow("function f has no body");
    module.define(f, () => undefined);
    expect(() => module.define(f, () => undefined)).toThrow("function f is defined twice");
  });
});

import { describe, expect, it } from "vitest";
import { ModuleBuilder } from "../src/index.ts";

const SECTION = "metadata.code.branch_hint";

/** The contents of the custom section of hints, and which section stands behind it. */
function hintsOf(
  module: ModuleBuilder,
): { readonly hints: readonly number[]; readonly next: number } | undefined {
  const bytes = module.toBytes();
  const number = (at: number): { value: number; end: number } => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return { value, end: at };
    }
  };
  for (let at = 8; at < bytes.length; ) {
    const { value: size, end: start } = number(at + 1);
    const isCustom = bytes[at] === 0;
    at = start + size;
    if (!isCustom) continue;
    const { value: length, end: name } = number(start);
    if (new TextDecoder().decode(bytes.subarray(name, name + length)) !== SECTION) continue;
    return { hints: [...bytes.subarray(name + length, at)], next: bytes[at] as number };
  }
  return undefined;
}

/** A byte each for: functions with hints, then for each its index and number of hints, then offset, size, value. */
describe("branch hints (WebAssembly 3.0, appendix, code metadata)", () => {
  it("name the branch by its offset from the declarations of locals", () => {
    const module = new ModuleBuilder();
    module.importFunction("env", "f", []);
    module.function("none", ["i32"], "i32", (_, [n]) => n.get());
    module.function("some", ["i32"], "i32", (c, [n]) => {
      const result = c.var("i64");
      c.block((done) => {
        // Locals: one run of one i64, 3 bytes; block, 2; local.get and br_if behind it.
        c.brIf(done, n.get(), "unlikely");
        // br_if takes 2; local.get 2; if.
        c.if(n.get(), () => result.set(c.i64.const(1)), undefined, "likely");
        c.if(n.get(), () => c.br(done));
      });
      return n.get();
    });
    const offset = 3 + 2 + 2;
    expect(hintsOf(module)).toEqual({ hints: [1, 2, 2, offset, 1, 0, offset + 2 + 2, 1, 1], next: 10 });
    const some = new WebAssembly.Module(module.toBytes());
    expect(WebAssembly.Module.customSections(some, SECTION).length).toBe(1);
  });

  it("count the declarations of several kinds of locals, and numbers of several bytes", () => {
    const module = new ModuleBuilder();
    module.function("f", ["i32"], undefined, (c, [n]) => {
      // Three runs: 1 + 3 * 2 bytes; the second has 200 in it, which takes another.
      c.var("i64");
      for (let index = 0; index < 200; index++) c.var("f64");
      c.var("i32");
      for (let index = 0; index < 100; index++) c.drop(n.get());
      c.if(n.get(), () => {}, undefined, "unlikely");
    });
    const offset = 8 + 100 * 3 + 2;
    expect(hintsOf(module)?.hints).toEqual([1, 0, 1, (offset & 0x7f) | 0x80, offset >>> 7, 1, 0]);
  });

  it("are there for each function that has some, in order", () => {
    const module = new ModuleBuilder();
    const hinted = (name: string): void => {
      module.function(name, ["i32"], "i32", (c, [n]) =>
        c.choose(
          "i32",
          n.get(),
          () => c.i32.const(1),
          () => c.i32.const(2),
          "likely",
        ),
      );
    };
    hinted("a");
    module.function("b", [], "i32", (c) => c.i32.const(3));
    hinted("c");
    expect(hintsOf(module)?.hints).toEqual([2, 0, 1, 3, 1, 1, 2, 1, 3, 1, 1]);
  });

  it("make no section where there are none", () => {
    const module = new ModuleBuilder();
    module.function("f", ["i32"], "i32", (_, [n]) => n.get());
    expect(hintsOf(module)).toBeUndefined();
  });

  it("change nothing of what a function does", () => {
    const module = new ModuleBuilder();
    for (const hint of ["likely", "unlikely", undefined] as const) {
      const target = module.function(`count-${hint}`, ["i32"], "i32", (c, [n]) => {
        const sum = c.let32(c.i32.const(0));
        c.block((done) => {
          c.loop((again) => {
            c.brIf(done, c.i32.eqz(n.get()), hint);
            sum.set(c.i32.add(sum.get(), n.get()));
            n.set(c.i32.sub(n.get(), 1));
            c.br(again);
          });
        });
        return sum.get();
      });
      module.export(`count-${hint}`, target);
    }
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()));
    for (const run of Object.values(exports)) expect((run as CallableFunction)(100)).toBe(5050);
  });
});

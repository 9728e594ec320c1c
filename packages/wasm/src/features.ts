import { ModuleBuilder } from "./module.ts";

let tailCalls: boolean | undefined;

/** Whether the engine has tail calls (`return_call`). Found out by validating a module, once. */
export function supportsTailCalls(): boolean {
  if (tailCalls === undefined) {
    const module = new ModuleBuilder();
    const target = module.declare("", []);
    module.define(target, (code) => code.returnCall(target));
    tailCalls = WebAssembly.validate(module.toBytes());
  }
  return tailCalls;
}

let wideMemories: boolean | undefined;

/**
 * Whether the engine has memories of 64-bit addresses, and takes one beside a memory of 32-bit addresses. Found out by
 * validating a module, once.
 */
export function supportsWideMemories(): boolean {
  if (wideMemories === undefined) {
    const module = new ModuleBuilder();
    module.importMemory("", "", { min: 0 });
    const wide = module.importMemory("", "", { min: 0, address: "i64" });
    module.function("", [], "i64", (code) => code.on(wide).i64.load(code.i64.const(2 ** 32)));
    wideMemories = WebAssembly.validate(module.toBytes());
  }
  return wideMemories;
}

let fused: boolean | undefined;

/**
 * Whether the engine's `relaxed_madd` rounds once, as a fused multiplication and addition does. Found out by running
 * it, once: an engine decides for good.
 */
export function fusesMultiplyAdd(): boolean {
  if (fused === undefined) {
    const module = new ModuleBuilder();
    const double = module.function("", ["f64", "f64", "f64"], "f64", ({ f64 }, [a, b, c]) => {
      const first = f64.splat(a.get());
      return f64.lane0(f64.relaxedMadd(first, f64.splat(b.get()), f64.splat(c.get())));
    });
    const single = module.function("", ["f32", "f32", "f32"], "f32", ({ f32 }, [a, b, c]) => {
      const first = f32.splat(a.get());
      return f32.lane0(f32.relaxedMadd(first, f32.splat(b.get()), f32.splat(c.get())));
    });
    module.export("double", double);
    module.export("single", single);
    fused = isFused(module.toBytes());
  }
  return fused;
}

type Fused = (a: number, b: number, c: number) => number;

function isFused(bytes: Uint8Array<ArrayBuffer>): boolean {
  if (!WebAssembly.validate(bytes)) return false;
  const { double, single } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as {
    readonly double: Fused;
    readonly single: Fused;
  };
  // The square of 1 + e is 1 + 2e + e², of which the last term is lost where the product is rounded by itself.
  const squares = (fma: Fused, e: number): boolean => fma(1 + e, 1 + e, -(1 + 2 * e)) === e * e;
  return squares(double, 2 ** -30) && squares(single, 2 ** -15);
}

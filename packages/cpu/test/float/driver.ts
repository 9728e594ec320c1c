/** Runs cases on the generated functions: a loop in WebAssembly around each, over one memory. */
import { type Code, type FunctionRef, type I64, ModuleBuilder, type Value, type Var } from "@isomorph/wasm";
import { defineFloat, type FloatFunctions } from "../../src/float/index.ts";
import { type FloatCase, floatCases, type Kind } from "./cases.ts";
import { blockSeed, INCREMENT, MIX, MULTIPLIER, tableBytes, tableOffset } from "./operands.ts";

const STATE = 64;
const TABLES_AT = 0x1000;
const OUT = 0x10000;

/** Words of a trace: three operands, the result, and the exceptions before (from bit 8 on) and after. */
export const TRACE_WORDS = 5;

/** What one execution read and wrote. Floats are in their own width, exceptions as in `fflags`. */
export interface Trace {
  readonly operands: readonly bigint[];
  readonly before: number;
  readonly result: bigint;
  readonly after: number;
}

function width(kind: Kind): number {
  return kind === "f16" ? 16 : kind === "f32" ? 32 : 64;
}

/** Whether values of the kind travel in an i32. */
function isNarrow(kind: Kind | undefined): boolean {
  return kind === "f16" || kind === "f32";
}

/** Takes a raw trace apart. */
export function readTrace({ operation }: FloatCase, words: BigUint64Array): Trace[] {
  return Array.from({ length: words.length / TRACE_WORDS }, (_, index) => {
    const row = words.subarray(index * TRACE_WORDS, (index + 1) * TRACE_WORDS);
    const flags = Number(row[4]);
    return {
      operands: operation.sources.map((kind, position) => BigInt.asUintN(width(kind), row[position]!)),
      before: flags >> 8,
      result: BigInt.asUintN(width(operation.result), row[3]!),
      after: flags & 31,
    };
  });
}

export function describeTrace(
  { operation, rm }: FloatCase,
  { operands, before, result, after }: Trace,
): string {
  const inputs = operands.map((operand) => operand.toString(16)).join(", ");
  return `${operation.name} rm=${rm} ${inputs}; fflags ${before} gives ${result.toString(16)}; fflags ${after}`;
}

export interface Driver {
  /** One checksum for each block from 0 on. */
  checksums(test: FloatCase, blocks: number, blockLength: number): BigUint64Array;
  /** The raw trace of one block, {@link TRACE_WORDS} words a case. */
  trace(test: FloatCase, block: number, blockLength: number): BigUint64Array;
  /** One execution on operands of one's own. */
  apply(test: FloatCase, operands: readonly bigint[], before: number): Trace;
}

function functionOf(floats: FloatFunctions, { operation }: FloatCase): FunctionRef {
  const { format, name } = operation.function;
  return (format === undefined ? floats[name] : floats[format][name]) as FunctionRef;
}

function emitCase(module: ModuleBuilder, floats: FloatFunctions, test: FloatCase): void {
  const { sources, result, rounds } = test.operation;
  const params = ["i64", "i32", "i32"] as const;
  const run = module.function(`case${test.index}`, params, "i64", (c, [state, length, trace]) => {
    const sum = c.let64(c.i64.const(0));
    const pick = c.var("i64");
    const next = (): I64 => {
      state.set(c.i64.add(c.i64.mul(state.get(), MULTIPLIER), INCREMENT));
      const value = state.get();
      return c.i64.xor(value, c.i64.shrU(state.get(), 32));
    };
    const operands: Var<"i64">[] = [];
    const before = c.var("i32");
    const after = c.var("i32");
    const value = c.var("i64");
    const entry = c.var("i32");
    const carried = (kind: Kind, operand: Var<"i64">): Value<"i64"> | Value<"i32"> =>
      isNarrow(kind) ? c.i32.wrapI64(operand.get()) : operand.get();

    c.loop((again) => {
      pick.set(next());
      sources.forEach((kind, position) => {
        const random = next();
        const index = c.i64.and(c.i64.shrU(pick.get(), 8 * position), 255);
        entry.set(c.i32.wrapI64(c.i64.shl(index, 5)));
        const base = TABLES_AT + tableOffset(kind);
        const masked = c.i64.and(random, c.i64.load(entry.get(), base));
        let operand = c.let64(c.i64.xor(masked, c.i64.load(entry.get(), base + 8)));
        const previous = position === 2 ? product(c, floats, kind, operands) : operands[position - 1];
        if (previous !== undefined) {
          const own = operand.get();
          const copied = c.i64.and(c.i64.load(entry.get(), base + 16), previous.get());
          operand = c.let64(c.i64.xor(own, copied));
        }
        operands[position] = operand;
      });
      before.set(c.i32.wrapI64(c.i64.and(c.i64.shrU(pick.get(), 24), 1)));
      c.i32.store(c.i32.const(STATE), before.get());

      c.i32.const(STATE);
      sources.forEach((kind, position) => {
        carried(kind, operands[position]!);
      });
      if (rounds) c.i32.const(test.rm);
      c.call({ index: functionOf(floats, test).index, params: [], result: undefined });
      value.set(
        isNarrow(result)
          ? c.i64.extendI32S(undefined as unknown as Value<"i32">)
          : (undefined as unknown as I64),
      );
      if (result === "f16") value.set(c.i64.extend16S(value.get()));
      after.set(c.i32.load(c.i32.const(STATE)));

      c.if(trace.get(), () => {
        [...Array(3).keys()].forEach((position) => {
          const address = trace.get();
          c.i64.store(address, operands[position]?.get() ?? 0, 8 * position);
        });
        const address = trace.get();
        c.i64.store(address, value.get(), 24);
        const second = trace.get();
        const flags = c.i32.or(c.i32.shl(before.get(), 8), after.get());
        c.i64.store(second, c.i64.extendI32U(flags), 32);
        trace.set(c.i32.add(trace.get(), 8 * TRACE_WORDS));
      });
      sum.set(c.i64.mul(c.i64.add(sum.get(), value.get()), MIX));
      sum.set(c.i64.xor(sum.get(), c.i64.extendI32U(after.get())));
      const low = sum.get();
      sum.set(c.i64.xor(low, c.i64.shrU(sum.get(), 32)));
      c.brIf(again, length.tee(c.i32.sub(length.get(), 1)));
    });
    return sum.get();
  });
  module.export(`case${test.index}`, run);
}

/** What the third operand of a fused operation may copy: the product, rounded to nearest. */
function product(c: Code, floats: FloatFunctions, kind: Kind, [a, b]: readonly Var<"i64">[]): Var<"i64"> {
  const state = c.i32.const(STATE);
  if (kind === "f64") return c.let64(c.call(floats.f64.mul, state, a!.get(), b!.get(), c.i32.const(0)));
  const left = c.i32.wrapI64(a!.get());
  const right = c.i32.wrapI64(b!.get());
  const { mul } = kind === "f16" ? floats.f16 : floats.f32;
  return c.let64(c.i64.extendI32U(c.call(mul, state, left, right, c.i32.const(0))));
}

/** Everything in an instance of its own. */
export function createDriver(): Driver {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { min: 16 });
  const floats = defineFloat(module, { fflagsOffset: 0 });
  for (const test of floatCases) {
    emitCase(module, floats, test);
    module.export(`function${test.index}`, functionOf(floats, test));
  }
  const memory = new WebAssembly.Memory({ initial: 16 });
  new Uint8Array(memory.buffer).set(tableBytes(), TABLES_AT);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  const run = (test: FloatCase, block: number, length: number, trace: number): bigint => {
    const entry = instance.exports[`case${test.index}`] as (
      seed: bigint,
      length: number,
      trace: number,
    ) => bigint;
    return BigInt.asUintN(64, entry(blockSeed(test.index, block), length, trace));
  };
  return {
    checksums: (test, blocks, blockLength) =>
      BigUint64Array.from({ length: blocks }, (_, block) => run(test, block, blockLength, 0)),
    trace(test, block, blockLength) {
      run(test, block, blockLength, OUT);
      return new BigUint64Array(memory.buffer, OUT, TRACE_WORDS * blockLength).slice();
    },
    apply(test, operands, before) {
      const { sources, result: kind } = test.operation;
      const flags = new DataView(memory.buffer);
      flags.setUint32(STATE, before, true);
      const target = instance.exports[`function${test.index}`] as CallableFunction;
      const values = operands.map((bits, index) => (isNarrow(sources[index]) ? Number(bits) : bits));
      const result = BigInt.asUintN(width(kind), BigInt(target(STATE, ...values, test.rm)));
      return { operands, before, result, after: flags.getUint32(STATE, true) };
    },
  };
}

import { describe, expect, it } from "vitest";
import { type FloatCase, floatCases, operations } from "./float/cases.ts";
import { createDriver, describeTrace, readTrace, type Trace } from "./float/driver.ts";
import { expected } from "./float/oracle.ts";
import { runOnProcessor } from "./float/processor.ts";

const driver = createDriver();

// Blocks that the comparison with QEMU does not have.
const FIRST_BLOCK = 1000;
const BLOCK = 2048;

function traces(test: FloatCase, blocks = 1): Trace[] {
  return Array.from({ length: blocks }, (_, block) =>
    readTrace(test, driver.trace(test, FIRST_BLOCK + block, BLOCK)),
  ).flat();
}

function judge(test: FloatCase, trace: Trace): void {
  const { bits, flags } = expected(test, trace.operands);
  if (trace.result === bits && trace.after === (trace.before | flags)) return;
  expect.fail(`${describeTrace(test, trace)}, not ${bits.toString(16)} with ${flags}`);
}

describe("floating-point arithmetic", () => {
  it.each(operations.map((operation) => ({ name: operation.name, operation })))(
    "$name equals rational arithmetic, exceptions included",
    ({ operation }) => {
      for (const test of floatCases.filter((entry) => entry.operation === operation)) {
        for (const trace of traces(test)) {
          judge(test, trace);
        }
      }
    },
  );

  it.each([
    ["translated", 100],
    ["interpreted", 0],
  ])("%s guest programs of Zfa give what the functions do", (_, translationThreshold) => {
    const tests = floatCases.filter(({ operation }) => !operation.onQemu);
    const blocks = 4;
    const plan = { tests, firstBlock: 0, blocks, blockLength: BLOCK, trace: false };
    const sums = runOnProcessor(plan, { translationThreshold });
    tests.forEach((test, position) => {
      const given = sums.subarray(position * blocks, (position + 1) * blocks);
      expect([test.operation.name, given]).toEqual([
        test.operation.name,
        driver.checksums(test, blocks, BLOCK),
      ]);
    });
  });

  const values = new DataView(new ArrayBuffer(16));
  const number = (format: "f32" | "f64", bits: bigint): number => {
    values.setBigUint64(0, bits);
    return format === "f64" ? values.getFloat64(0) : values.getFloat32(4);
  };
  const arithmetic = {
    add: ([a, b]) => a + b,
    sub: ([a, b]) => a - b,
    mul: ([a, b]) => a * b,
    div: ([a, b]) => a / b,
    sqrt: ([a]) => Math.sqrt(a),
  } satisfies Record<string, (operands: [number, number]) => number>;

  it.each(["f32", "f64"] as const)("%s results to nearest even are the host's", (format) => {
    for (const [name, compute] of Object.entries(arithmetic)) {
      const test = floatCases.find(
        ({ operation, rm }) =>
          operation.function.format === format && operation.function.name === name && rm === 0,
      )!;
      for (const trace of traces(test, 16)) {
        const operands = trace.operands.map((bits) => number(format, bits)) as [number, number];
        const value = format === "f32" ? Math.fround(compute(operands)) : compute(operands);
        const result = number(format, trace.result);
        if (!Object.is(result, value)) expect.fail(`${describeTrace(test, trace)}, not ${value}`);
      }
    }
  });

  it.each([
    ["add", [1, 4, 16]],
    ["sub", [1, 4, 16]],
    ["mul", [1, 2, 4, 16]],
    ["div", [1, 2, 4, 8, 16]],
    ["sqrt", [1, 16]],
    ["fma", [1, 2, 4, 16]],
    ["toI32", [1, 16]],
    ["toU64", [1, 16]],
  ] as const)("the operands for %s raise every exception that it has", (name, flags) => {
    for (const test of floatCases.filter(({ operation }) => operation.function.name === name)) {
      const clear = traces(test, 4).filter(({ before }) => before === 0);
      const exact = clear.filter(({ after }) => after === 0);
      expect(exact.length).toBeGreaterThan(BLOCK / 50);
      for (const flag of flags) {
        const raised = clear.filter(({ after }) => (after & flag) !== 0).length;
        expect(raised, `${test.operation.name} with ${test.rm}: ${flag}`).toBeGreaterThan(BLOCK / 500);
      }
      expect(new Set(clear.flatMap(({ after }) => [1, 2, 4, 8, 16].filter((flag) => after & flag)))).toEqual(
        new Set(flags),
      );
    }
  });

  it("fma sees the far end of a product through the gap in it", () => {
    // As integers the factors make 2^105 and, below a gap of more than seventy bits, a little more.
    const factors = [
      [0x15d4d99d1e85f2n, 0x1773d11b9f1575n],
      [0x1376dd7cd3aef1n, 0x1a4df6a4271535n],
      [0x1716dc549b732cn, 0x162cbdfecfe6e9n],
    ] as const;
    const implicit = 1n << 52n;
    const double = (significand: bigint, exponent: number): bigint =>
      (BigInt(1023 + exponent) << 52n) | (significand & (implicit - 1n));
    for (const test of floatCases.filter(({ operation }) => operation.name === "fmadd.d")) {
      for (const [a, b] of factors) {
        for (let exponent = -70; exponent <= 120; exponent++) {
          for (const sign of [0n, 1n << 63n]) {
            for (const addend of [implicit, implicit + 1n, 2n * implicit - 1n]) {
              const operands = [double(a, 0), double(b, 0), sign | double(addend, exponent)];
              for (const before of [0, 1]) judge(test, driver.apply(test, operands, before));
            }
          }
        }
      }
    }
  });

  it("exceptions that are accrued already stay", () => {
    for (const test of floatCases) {
      for (const trace of traces(test).slice(0, 64)) {
        for (const before of [30, 31]) judge(test, driver.apply(test, trace.operands, before));
      }
    }
  });
});

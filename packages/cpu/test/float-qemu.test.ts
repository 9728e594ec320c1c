import { describe, expect, it } from "vitest";
import { operations as all, type FloatCase, floatCases } from "./float/cases.ts";
import { createDriver, describeTrace, readTrace } from "./float/driver.ts";
import type { Plan } from "./float/guest.ts";
import { runOnProcessor } from "./float/processor.ts";
import { runOnQemu } from "./float/qemu.ts";

// A million cases for every operation in every rounding mode, as checksums of blocks. Where one differs, both sides
// repeat that block and write every case down.
const BLOCKS = 256;
const BLOCK = 4096;

const driver = createDriver();

/** Ways to execute the cases: the checksums of the first `blocks` blocks of each test. */
interface Executor {
  readonly blocks: number;
  checksums(tests: readonly FloatCase[], blocks: number): BigUint64Array;
  trace(test: FloatCase, block: number): BigUint64Array;
}

const plan = (tests: readonly FloatCase[], blocks: number): Plan => {
  return { tests, firstBlock: 0, blocks, blockLength: BLOCK, trace: false };
};
const tracePlan = (test: FloatCase, block: number): Plan => {
  return { tests: [test], firstBlock: block, blocks: 1, blockLength: BLOCK, trace: true };
};

function processor(blocks: number, translationThreshold: number): Executor {
  return {
    blocks,
    checksums: (tests) => runOnProcessor(plan(tests, blocks), { translationThreshold }),
    trace: (test, block) => runOnProcessor(tracePlan(test, block), { translationThreshold }),
  };
}

const executors: Readonly<Record<string, Executor>> = {
  "the functions": {
    blocks: BLOCKS,
    checksums(tests, blocks) {
      const sums = new BigUint64Array(tests.length * blocks);
      tests.forEach((test, position) => {
        sums.set(driver.checksums(test, blocks, BLOCK), position * blocks);
      });
      return sums;
    },
    trace: (test, block) => driver.trace(test, block, BLOCK),
  },
  "translated code": processor(64, 100),
  "the interpreter": processor(4, 0),
};

/** Every case of a block in which an executor differs from QEMU. */
async function explain(name: string, test: FloatCase, block: number): Promise<string> {
  const judge = readTrace(test, await runOnQemu(tracePlan(test, block)));
  const wrong = readTrace(test, executors[name]!.trace(test, block)).flatMap((trace, index) => {
    const [is, shouldBe] = [describeTrace(test, trace), describeTrace(test, judge[index]!)];
    return is === shouldBe ? [] : [`${is}, but in QEMU ${shouldBe}`];
  });
  return [`${name}: ${wrong.length} cases of block ${block}`, ...wrong.slice(0, 5)].join("\n");
}

const operations = all.filter(({ onQemu }) => onQemu);
const testsOf = operations.map((operation) => floatCases.filter((test) => test.operation === operation));

const judgements = new Map<number, Promise<BigUint64Array>>();

/** QEMU's checksums for an operation, by its position. */
function judgement(position: number): Promise<BigUint64Array> {
  let running = judgements.get(position);
  if (running === undefined) {
    running = runOnQemu(plan(testsOf[position] ?? [], BLOCKS));
    judgements.set(position, running);
    // Who needs it awaits it; a failure before that is not unhandled.
    running.catch(() => undefined);
  }
  return running;
}

describe("floating-point arithmetic against QEMU", () => {
  it.each(operations.map(({ name, rounds }, position) => ({ name, rounds, position })))(
    "$name: a million cases a rounding mode",
    { timeout: 300_000 },
    async ({ rounds, position }) => {
      const tests = testsOf[position]!;
      expect(tests).toHaveLength(rounds ? 5 : 1);
      const judge = judgement(position);
      // The next one starts now, so that it runs while this thread is busy.
      if (position + 1 < operations.length) judgement(position + 1);
      const results = Object.entries(executors).map(
        ([name, executor]) => [name, executor.blocks, executor.checksums(tests, executor.blocks)] as const,
      );
      const expected = await judge;
      for (const [name, blocks, sums] of results) {
        for (const [index, test] of tests.entries()) {
          for (let block = 0; block < blocks; block++) {
            if (sums[index * blocks + block] === expected[index * BLOCKS + block]) continue;
            expect.fail(await explain(name, test, block));
          }
        }
      }
    },
  );
});

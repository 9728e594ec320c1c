import { describe, expect, it } from "vitest";
import { floatCases, operations } from "./float/cases.ts";
import { createDriver, describeTrace, readTrace } from "./float/driver.ts";
import { runOnQemu } from "./float/qemu.ts";

// A million cases for every operation in every rounding mode, as checksums of blocks. Where one differs, both sides
// repeat that block and write every case down.
const BLOCKS = 256;
const BLOCK = 4096;

describe("floating-point arithmetic against QEMU", () => {
  const driver = createDriver();
  const judge = runOnQemu({
    tests: floatCases,
    firstBlock: 0,
    blocks: BLOCKS,
    blockLength: BLOCK,
    trace: false,
  });
  // Each test awaits it; this is for the time before the first does.
  judge.catch(() => undefined);

  it.each(operations.map((operation) => ({ name: operation.name, operation })))(
    "$name: a million cases a rounding mode",
    { timeout: 600_000 },
    async ({ operation }) => {
      const tests = floatCases.filter((test) => test.operation === operation);
      expect(tests).toHaveLength(operation.rounds ? 5 : 1);
      const sums = tests.map((test) => driver.checksums(test, BLOCKS, BLOCK));
      const all = await judge;
      for (const [position, test] of tests.entries()) {
        const theirs = all.subarray(test.index * BLOCKS, (test.index + 1) * BLOCKS);
        const block = theirs.findIndex((sum, index) => sum !== sums[position]![index]);
        if (block < 0) continue;
        const plan = { tests: [test], firstBlock: block, blocks: 1, blockLength: BLOCK, trace: true };
        const right = readTrace(test, await runOnQemu(plan));
        const wrong = readTrace(test, driver.trace(test, block, BLOCK)).flatMap((trace, index) => {
          const [is, shouldBe] = [describeTrace(test, trace), describeTrace(test, right[index]!)];
          return is === shouldBe ? [] : [`${is}, but in QEMU ${shouldBe}`];
        });
        expect.fail([`${wrong.length} of block ${block}`, ...wrong.slice(0, 5)].join("\n"));
      }
    },
  );
});

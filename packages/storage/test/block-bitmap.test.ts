import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockBitmap } from "../src/block-bitmap.ts";

/** Three chunks of the map, so that runs cross borders. */
const BITS = 3 * 32768;

const range = fc
  .tuple(fc.nat(BITS - 1), fc.oneof(fc.nat(40), fc.nat(BITS)))
  .map(([from, length]) => [from, Math.min(BITS, from + length)] as const);

test("BlockBitmap agrees with a set", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), fc.array(range, { maxLength: 20 }), (added, asked) => {
      const bitmap = new BlockBitmap();
      const model = new Uint8Array(BITS);
      for (const [from, to] of added) {
        bitmap.add(from, to);
        model.fill(1, from, to);
      }
      expect(bitmap.count).toBe(model.reduce((sum, bit) => sum + bit, 0));
      for (const [from, to] of asked) {
        if (from === to) continue;
        expect(bitmap.has(from)).toBe(model[from] === 1);
        const other = model.indexOf(model[from] === 1 ? 0 : 1, from);
        expect(bitmap.runEnd(from, to)).toBe(other < 0 ? to : Math.min(other, to));
      }
    }),
    { numRuns: 60 },
  );
});

test("BlockBitmap is exact beyond 32 bits", () => {
  const bitmap = new BlockBitmap();
  const far = 2 ** 43;
  bitmap.add(far - 1, far + 2);
  expect(bitmap.count).toBe(3);
  expect(bitmap.has(far - 2)).toBe(false);
  expect(bitmap.has(far + 1)).toBe(true);
  expect(bitmap.runEnd(far - 1, far + 100)).toBe(far + 2);
  expect(bitmap.runEnd(far - 70000, far)).toBe(far - 1);
  expect(bitmap.has((far - 1) % 2 ** 32)).toBe(false);
});

import { describe, expect, test } from "vitest";
import { GROUPS, makeBatch, SEED, SEQUENCES } from "./differential/batches.ts";
import { compareOutcomes, interpreter, translator } from "./differential/compare.ts";

describe(`${SEQUENCES} sequences with seed ${SEED} end in translated code as in the interpreter`, () => {
  test.each(GROUPS)("batches %i to %i", { timeout: 300_000 }, async (first, end) => {
    for (let number = first; number < end; number++) {
      const { title, sequences, image } = makeBatch(number);
      const interpreted = await interpreter.run(image);
      const translated = await translator.run(image);
      const machines = [interpreter, translator] as const;
      expect(await compareOutcomes(title, sequences, machines, [interpreted, translated])).toBeUndefined();
      expect(translated.instructions).toBe(interpreted.instructions);
      expect(translated.counters?.["regionsTranslated"]).toBeGreaterThan(2 * sequences.length);
    }
  });
});

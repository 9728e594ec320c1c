import { afterAll, describe, expect, test } from "vitest";
import { decode } from "../src/isa/decode.ts";
import { INSTRUCTIONS } from "../src/isa/index.ts";
import { compareOutcomes, interpreter, qemu, translator } from "./differential/compare.ts";
import { makeSequence } from "./differential/generate.ts";
import { buildImage } from "./differential/image.ts";
import { expanded } from "./differential/instructions.ts";
import { MAX_RECORDS } from "./differential/layout.ts";
import { placesOf, type Sequence } from "./differential/sequence.ts";

/**
 * Random sequences of instructions, in random states, end in the same state on QEMU, in the interpreter and in
 * translated code: all registers, CSRs and memory, and every trap on the way. ISOMORPH_SEED gives other sequences,
 * ISOMORPH_SEQUENCES another number of them.
 */
const SEED = Number(process.env["ISOMORPH_SEED"] ?? 1);
const SEQUENCES = Number(process.env["ISOMORPH_SEQUENCES"] ?? 102_400);
const BATCHES = Math.ceil(SEQUENCES / MAX_RECORDS);

/** QEMU 7.2 lacks the cache-block instructions; conformance tests have them. */
const NOT_ON_QEMU = ["cbo.inval", "cbo.clean", "cbo.flush", "cbo.zero"];

const seen = new Map<string, number>();

function count(sequences: readonly Sequence[]): void {
  for (const { items } of sequences) {
    const places = placesOf(items);
    items.forEach((item, index) => {
      const name = decode(expanded(item.encode(index, places)))?.name ?? "illegal";
      seen.set(name, (seen.get(name) ?? 0) + 1);
    });
  }
}

describe(`${SEQUENCES} sequences with seed ${SEED}`, () => {
  test.each(Array.from({ length: BATCHES }, (_, batch) => batch))("batch %i", async (batch) => {
    const first = batch * MAX_RECORDS;
    const length = Math.min(MAX_RECORDS, SEQUENCES - first);
    const sequences = Array.from({ length }, (_, slot) => makeSequence(SEED, first + slot, slot));
    count(sequences);
    const image = buildImage(sequences);
    const running = qemu.run(image);
    const [interpreted, translated] = [await interpreter.run(image), await translator.run(image)];
    const expected = await running;
    const title = `seed ${SEED}, batch ${batch}`;
    const against = await compareOutcomes(title, sequences, [qemu, interpreter], [expected, interpreted]);
    expect(against).toBeUndefined();
    const between = await compareOutcomes(title, sequences, [interpreter, translator], [interpreted, translated]);
    expect(between).toBeUndefined();
    expect(translated.instructions).toBe(interpreted.instructions);
    expect(translated.counters?.["regionsTranslated"]).toBeGreaterThan(length / 2);
  }, 120_000);

  afterAll(() => {
    const missing = INSTRUCTIONS.filter(({ name }) => !NOT_ON_QEMU.includes(name) && (seen.get(name) ?? 0) < SEQUENCES / 1000);
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});

import { afterAll, describe, expect, test } from "vitest";
import { decode } from "../../src/isa/decode.ts";
import { INSTRUCTIONS } from "../../src/isa/index.ts";
import { compareOutcomes } from "./compare.ts";
import { makeSequence } from "./generate.ts";
import { buildImage } from "./image.ts";
import { expanded } from "./instructions.ts";
import { MAX_RECORDS } from "./layout.ts";
import { isOnQemu } from "./not-on-qemu.ts";
import { interpreter, translator } from "./ours.ts";
import type { Outcome } from "./outcome.ts";
import { qemu } from "./qemu.ts";
import { placesOf, type Sequence } from "./sequence.ts";

/** ISOMORPH_SEED gives other sequences, ISOMORPH_SEQUENCES another number of them. */
const { ISOMORPH_SEED = "1", ISOMORPH_SEQUENCES = "102400" } = process.env;
const SEED = Number(ISOMORPH_SEED);
const SEQUENCES = Number(ISOMORPH_SEQUENCES);
const BATCHES = Math.ceil(SEQUENCES / MAX_RECORDS);
const BATCHES_IN_A_TEST = 5;

/** Sequences that run one after the other in one launch. */
interface Batch {
  readonly title: string;
  readonly sequences: readonly Sequence[];
  readonly image: Uint8Array;
  /** What QEMU, which is running, will make of them. */
  readonly expected: Promise<Outcome>;
}

function launch(number: number): Batch {
  const first = number * MAX_RECORDS;
  const length = Math.min(MAX_RECORDS, SEQUENCES - first);
  const sequences = Array.from({ length }, (_, slot) => makeSequence(SEED, first + slot, slot));
  const image = buildImage(sequences);
  return { title: `seed ${SEED}, batch ${number}`, sequences, image, expected: qemu.run(image) };
}

/** Sequences with instructions that QEMU lacks end in translated code as they do in the interpreter. */
export function newerSuite(): void {
  const seen = new Map<string, number>();
  const batches = Array.from({ length: Math.ceil(BATCHES / 5) }, (_, number) => number);

  describe(`${batches.length * MAX_RECORDS} sequences with seed ${SEED} and newer instructions`, () => {
    test.each(batches)("batch %d", { timeout: 300_000 }, async (number) => {
      const sequences = Array.from({ length: MAX_RECORDS }, (_, slot) =>
        makeSequence(SEED + 1, number * MAX_RECORDS + slot, slot, true),
      );
      count(seen, sequences);
      const image = buildImage(sequences);
      const interpreted = await interpreter.run(image);
      await translator.run(buildImage([]));
      const translated = await translator.run(image);
      const title = `seed ${SEED}, newer batch ${number}`;
      const machines = [interpreter, translator] as const;
      expect(await compareOutcomes(title, sequences, machines, [interpreted, translated])).toBeUndefined();
      expect(translated.instructions).toBe(interpreted.instructions);
    });

    afterAll(() => {
      const newer = INSTRUCTIONS.filter((instruction) => !isOnQemu(instruction));
      const rare = newer.filter(({ name }) => (seen.get(name) ?? 0) < SEQUENCES / 1000);
      expect(rare.map(({ name }) => name)).toEqual([]);
    });
  });
}

async function compare({ title, sequences, image, expected }: Batch): Promise<void> {
  const interpreted = await interpreter.run(image);
  const translated = await translator.run(image);
  const judged = await compareOutcomes(title, sequences, [qemu, interpreter], [await expected, interpreted]);
  expect(judged).toBeUndefined();
  const tiers = await compareOutcomes(title, sequences, [interpreter, translator], [interpreted, translated]);
  expect(tiers).toBeUndefined();
  expect(translated.instructions).toBe(interpreted.instructions);
  expect(translated.inRegions ?? 0).toBeGreaterThan((translated.instructions ?? 0) / 4);
}

/**
 * Random sequences of instructions in random states end in the same state on QEMU, in the interpreter and in
 * translated code: all registers, CSRs and memory, and every trap on the way. This is one of `parts` parts, which run
 * side by side.
 */
export function differentialSuite(part: number, parts: number): void {
  const mine = Array.from({ length: BATCHES }, (_, batch) => batch).filter((batch) => batch % parts === part);
  const groups = Array.from({ length: Math.ceil(mine.length / BATCHES_IN_A_TEST) }, (_, group) =>
    mine.slice(group * BATCHES_IN_A_TEST, (group + 1) * BATCHES_IN_A_TEST),
  );
  const seen = new Map<string, number>();

  describe(`${SEQUENCES} sequences with seed ${SEED} on QEMU, interpreted and translated`, () => {
    test.each(groups.map((group) => [group.join(", "), group] as const))(
      "batches %s",
      { timeout: 300_000 },
      async (_, group) => {
        let next = launch(group[0] as number);
        for (const [index] of group.entries()) {
          const batch = next;
          const following = group[index + 1];
          if (following !== undefined) next = launch(following);
          count(seen, batch.sequences);
          await compare(batch);
        }
      },
    );

    afterAll(() => {
      const enough = SEQUENCES / parts / 1000;
      const expected = INSTRUCTIONS.filter(isOnQemu);
      const rare = expected.filter(({ name }) => (seen.get(name) ?? 0) < enough).map(({ name }) => name);
      expect(rare).toEqual([]);
    });
  });
}

/** Counts the instructions that sequences have, by name. */
function count(seen: Map<string, number>, sequences: readonly Sequence[]): void {
  for (const { items } of sequences) {
    const places = placesOf(items);
    for (const [index, item] of items.entries()) {
      const name = decode(expanded(item.encode(index, places)))?.name;
      if (name !== undefined) seen.set(name, (seen.get(name) ?? 0) + 1);
    }
  }
}

import { afterAll, describe, expect, test } from "vitest";
import { decode } from "../src/isa/decode.ts";
import { INSTRUCTIONS } from "../src/isa/index.ts";
import { type Batch, GROUPS, makeBatch, SEED, SEQUENCES } from "./differential/batches.ts";
import { compareOutcomes, interpreter, qemu } from "./differential/compare.ts";
import { expanded } from "./differential/instructions.ts";
import type { Outcome } from "./differential/machines.ts";
import { placesOf } from "./differential/sequence.ts";

/** QEMU 7.2 lacks the cache-block instructions; conformance tests have them. */
const NOT_ON_QEMU = ["cbo.inval", "cbo.clean", "cbo.flush", "cbo.zero"];

const seen = new Map<string, number>();

function count({ sequences }: Batch): void {
  for (const { items } of sequences) {
    const places = placesOf(items);
    items.forEach((item, index) => {
      const name = decode(expanded(item.encode(index, places)))?.name ?? "illegal";
      seen.set(name, (seen.get(name) ?? 0) + 1);
    });
  }
}

/** A batch that QEMU is running. */
function launch(number: number): { batch: Batch; outcome: Promise<Outcome> } {
  const batch = makeBatch(number);
  return { batch, outcome: qemu.run(batch.image) };
}

describe(`${SEQUENCES} sequences with seed ${SEED} end on QEMU as in the interpreter: registers, CSRs, memory, traps`, () => {
  test.each(GROUPS)("batches %i to %i", { timeout: 300_000 }, async (first, end) => {
    let running = launch(first);
    for (let number = first; number < end; number++) {
      const { batch, outcome } = running;
      if (number + 1 < end) running = launch(number + 1);
      count(batch);
      const interpreted = await interpreter.run(batch.image);
      const { title, sequences } = batch;
      const machines = [qemu, interpreter] as const;
      const report = await compareOutcomes(title, sequences, machines, [await outcome, interpreted]);
      expect(report).toBeUndefined();
    }
  });

  afterAll(() => {
    const rare = INSTRUCTIONS.filter(
      ({ name }) => !NOT_ON_QEMU.includes(name) && (seen.get(name) ?? 0) < SEQUENCES / 1000,
    );
    expect(rare.map(({ name }) => name)).toEqual([]);
  });
});

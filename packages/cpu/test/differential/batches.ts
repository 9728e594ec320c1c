import { makeSequence } from "./generate.ts";
import { buildImage } from "./image.ts";
import { MAX_RECORDS } from "./layout.ts";
import type { Sequence } from "./sequence.ts";

/** ISOMORPH_SEED gives other sequences, ISOMORPH_SEQUENCES another number of them. */
export const SEED: number = Number(process.env["ISOMORPH_SEED"] ?? 1);
export const SEQUENCES: number = Number(process.env["ISOMORPH_SEQUENCES"] ?? 102_400);

/** Sequences that run one after the other in one launch. */
export interface Batch {
  readonly title: string;
  readonly sequences: readonly Sequence[];
  readonly image: Uint8Array;
}

/** Numbers of the batches in groups, for a test each. */
export const GROUPS: readonly (readonly [first: number, end: number])[] = groups(8);

function groups(size: number): [number, number][] {
  const batches = Math.ceil(SEQUENCES / MAX_RECORDS);
  return Array.from({ length: Math.ceil(batches / size) }, (_, group) => [
    group * size,
    Math.min(batches, (group + 1) * size),
  ]);
}

/** Makes a batch by number: the same whoever asks. */
export function makeBatch(batch: number): Batch {
  const first = batch * MAX_RECORDS;
  const length = Math.min(MAX_RECORDS, SEQUENCES - first);
  const sequences = Array.from({ length }, (_, slot) => makeSequence(SEED, first + slot, slot));
  return { title: `seed ${SEED}, batch ${batch}`, sequences, image: buildImage(sequences) };
}

import { buildImage } from "./image.ts";
import { RAM_BASE, RECORD_BYTES, RECORDS } from "./layout.ts";
import type { Machine, Outcome } from "./outcome.ts";
import {
  type Difference,
  describeDifferences,
  describeSequence,
  describeTraps,
  differences,
} from "./report.ts";
import { type Sequence, withoutItems } from "./sequence.ts";

/** The first sequence that ended differently, and how. */
function firstDifference(
  sequences: readonly Sequence[],
  expected: Outcome,
  actual: Outcome,
): { index: number; found: Difference[] } | undefined {
  for (const [index, sequence] of sequences.entries()) {
    const found = differences(sequence, index, expected.ram, actual.ram);
    if (found.length > 0) return { index, found };
  }
  return undefined;
}

/** The first byte of RAM, up to the end of the records, that differs. */
function firstByte(sequences: readonly Sequence[], expected: Outcome, actual: Outcome): number | undefined {
  const end = RECORDS - RAM_BASE + sequences.length * RECORD_BYTES;
  if (Buffer.compare(expected.ram.subarray(0, end), actual.ram.subarray(0, end)) === 0) return undefined;
  for (let offset = 0; offset < end; offset++) {
    if (expected.ram[offset] !== actual.ram[offset]) return RAM_BASE + offset;
  }
  return undefined;
}

/** Where the outcomes of two machines differ, as a report; undefined where they do not. */
export async function compareOutcomes(
  title: string,
  sequences: readonly Sequence[],
  machines: readonly [Machine, Machine],
  outcomes: readonly [Outcome, Outcome],
): Promise<string | undefined> {
  const [expected, actual] = outcomes;
  const first = firstDifference(sequences, expected, actual);
  if (first === undefined) {
    const address = firstByte(sequences, expected, actual);
    if (address === undefined) return undefined;
    return `${title}: memory at 0x${address.toString(16)} differs; ${await culprit(sequences, machines)}`;
  }
  const { index, found } = first;
  const sequence = sequences[index] as Sequence;
  return [
    `${title}, sequence ${index}`,
    describeSequence(sequence),
    describeDifferences(found, [machines[0].name, machines[1].name]),
    `traps on ${machines[0].name}:`,
    describeTraps(index, expected.ram),
    `traps on ${machines[1].name}:`,
    describeTraps(index, actual.ram),
    await minimised(sequence, machines),
  ].join("\n");
}

/** Finds the sequence after which memory differs first. */
async function culprit(
  sequences: readonly Sequence[],
  machines: readonly [Machine, Machine],
): Promise<string> {
  let [equal, different] = [0, sequences.length];
  while (different - equal > 1) {
    const middle = (equal + different) >> 1;
    const some = sequences.slice(0, middle);
    const image = buildImage(some);
    const address = firstByte(some, await machines[0].run(image), await machines[1].run(image));
    if (address === undefined) equal = middle;
    else different = middle;
  }
  return `after sequence ${equal}\n${describeSequence(sequences[equal] as Sequence)}`;
}

/** The sequence on its own, with the instructions that do not matter replaced by `nop`. */
async function minimised(sequence: Sequence, machines: readonly [Machine, Machine]): Promise<string> {
  const differs = async (candidate: Sequence): Promise<boolean> => {
    const image = buildImage([candidate]);
    const [expected, actual] = [await machines[0].run(image), await machines[1].run(image)];
    return firstDifference([candidate], expected, actual) !== undefined;
  };
  if (!(await differs(sequence))) return "on its own it does not differ";
  const removed = new Set<number>();
  for (let item = sequence.items.length - 1; item >= 0; item--) {
    removed.add(item);
    if (!(await differs(withoutItems(sequence, removed)))) removed.delete(item);
  }
  return `minimised:\n${describeSequence(withoutItems(sequence, removed))}`;
}

import type { BlockBackend } from "@isomorph/interface";
import { seededRandom } from "@isomorph/interface/compliance";
import { faultyDisk } from "../src/testing.ts";

/** Delays most calls by a few turns of the event loop, so that they overtake each other. */
export function slowDisk(backend: BlockBackend, seed: number): BlockBackend {
  const random = seededRandom(seed);
  return faultyDisk(backend, () => {
    const turns = Math.floor(random() * 5);
    return turns === 0 ? undefined : { after: pass(turns) };
  });
}

async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

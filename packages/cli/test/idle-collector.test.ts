import { getHeapSpaceStatistics } from "node:v8";
import { expect, test } from "vitest";
import { returnMemory } from "../src/engine.ts";
import { collectWhenIdle } from "../src/machine/idle-collector.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Keeps the processor busy, with the event loop getting its turn. */
async function work(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const turn = performance.now() + 5;
    while (performance.now() < turn);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function leaveGarbage(): WeakRef<Uint8Array> {
  for (let round = 0; round < 40; round++) {
    const objects: object[] = [];
    for (let index = 0; index < 50_000; index++) objects.push({ index });
  }
  return new WeakRef(new Uint8Array(30e6));
}

test("memory is returned once when nothing happens any more, and again after the next work", async () => {
  let collections = 0;
  const end = collectWhenIdle(() => collections++, 200);
  try {
    await work(1000);
    expect(collections).toBe(0);
    await expect.poll(() => collections, { timeout: 10_000, interval: 200 }).toBe(1);
    await pause(1000);
    expect(collections).toBe(1);
    await work(1000);
    await expect.poll(() => collections, { timeout: 10_000, interval: 200 }).toBe(2);
  } finally {
    end();
  }
  await work(500);
  await pause(500);
  expect(collections).toBe(2);
});

test("the engine's room for new objects shrinks to next to nothing, and garbage is gone", async () => {
  const room = (): number =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.physical_space_size ?? 0;
  const before = process.memoryUsage().arrayBuffers;
  const image = leaveGarbage();
  expect(room()).toBeGreaterThan(8e6);
  // What a weak reference leads to stays for as long as what made it runs.
  await pause(0);
  returnMemory();
  expect(room()).toBeLessThan(4e6);
  expect(image.deref()).toBeUndefined();
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(before + 1e6);
});

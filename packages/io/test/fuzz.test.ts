import { describe, expect, test } from "vitest";
import { fuzzMachine } from "../fuzz/machine.ts";
import { fuzz } from "../fuzz/run.ts";

/** Longer runs: `FUZZ_SEEDS=2000 vitest run packages/io/test/fuzz.test.ts`. */
const seeds = Number(process.env.FUZZ_SEEDS ?? 12);

describe("a guest that writes garbage to every register and every virtqueue", () => {
  test(`${seeds} seeds: nothing throws, nothing takes long, and requests do get through`, {
    timeout: 600_000,
  }, async () => {
    const totals: { [name: string]: number } = {};
    for (let seed = 1; seed <= seeds; seed++) {
      const { slowest, counters } = await fuzz(seed, 1500);
      expect(slowest, `seed ${seed}`).toBeLessThan(500);
      for (const [name, count] of Object.entries(counters)) totals[name] = (totals[name] ?? 0) + count;
    }
    // The garbage is not so wild that devices see none of it.
    expect(totals.notifications).toBeGreaterThan(10);
    expect(totals.violations).toBeGreaterThan(10);
    expect(totals.interrupts).toBeGreaterThan(10);
  });

  test("every offset of every region, every width, all-ones and zero", () => {
    const { bus, regions, reset } = fuzzMachine();
    for (const { base, size } of regions) {
      const step = size > 0x10000 ? 252 : 4;
      for (let offset = 0; offset < size; offset += step) {
        for (const width of [1, 2, 4] as const) {
          const at = base + Math.floor(offset / width) * width;
          for (const data of [0xffffffff, 0, 0x80000001]) bus.write(at, width, data);
          const value = bus.read(at, width);
          if (!(value >= 0 && value < 2 ** (8 * width))) throw new RangeError(`${value} at ${at}`);
        }
        const at = base + Math.floor(offset / 8) * 8;
        if (bus.covers(at, 8)) {
          bus.write64(at, 0xffff_ffff_ffff_ffffn);
          expect(bus.read64(at)).toBeGreaterThanOrEqual(0n);
        }
      }
    }
    reset();
    expect(bus.counters().unmapped).toBe(0);
  });

  test("thousands of initialisations and full queues hold no memory", async () => {
    const machine = fuzzMachine();
    const cycle = (rounds: number): void => {
      for (let round = 0; round < rounds; round++) {
        const driver = machine.start(round % machine.virtioDevices);
        for (const [index, queue] of (driver?.queues ?? []).entries()) {
          for (let entry = 0; entry < queue.size; entry++) {
            queue.describe(
              queue.descriptors,
              entry,
              machine.memory.base + 0x30000,
              64,
              entry % 2 === 0 ? 2 : 0,
            );
            queue.publish(entry);
          }
          driver?.transport.notify(index);
        }
      }
    };
    cycle(500);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const before = process.memoryUsage();
    for (let batch = 0; batch < 20; batch++) {
      cycle(300);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const after = process.memoryUsage();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(100 << 20);
  });
});

import type { SnapshotState, SnapshotValue } from "@isomorph/interface";
import { seededRandom } from "@isomorph/interface/compliance";
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
      expect(slowest, `seed ${seed}`).toBeLessThan(20_000);
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

  test("snapshots with a field changed are refused by an Error, or leave a machine that goes on", async () => {
    const random = seededRandom(7);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const junk: readonly SnapshotValue[] = [
      null,
      true,
      -1,
      0.5,
      Number.NaN,
      2 ** 60,
      0xffffffff,
      3,
      1n << 80n,
      -1n,
      "text",
      [],
      [1, -1],
      {},
      new Uint8Array(3),
    ];
    const spoil = (value: SnapshotValue): SnapshotValue => {
      if (random() < 0.6) {
        if (typeof value === "number") return Math.floor(random() * 2 ** pick([1, 3, 5, 16, 32]));
        if (typeof value === "boolean") return !value;
        if (typeof value === "bigint") return BigInt(Math.floor(random() * 2 ** 32)) << 16n;
      }
      if (typeof value !== "object" || value === null || value instanceof Uint8Array || random() < 0.1)
        return pick(junk);
      if (Array.isArray(value)) {
        const copy: SnapshotValue[] = [...value];
        if (copy.length === 0 || random() < 0.1) copy.push(...copy, pick(junk));
        else {
          const at = Math.floor(random() * copy.length);
          copy[at] = spoil(copy[at] as SnapshotValue);
        }
        return copy;
      }
      const fields = value as { readonly [name: string]: SnapshotValue };
      const name = pick(Object.keys(fields));
      return name === undefined ? value : { ...fields, [name]: spoil(fields[name] as SnapshotValue) };
    };
    let refused = 0;
    let taken = 0;
    for (let round = 0; round < 400; round++) {
      const machine = fuzzMachine();
      for (let index = 0; index < machine.virtioDevices; index++) machine.start(index);
      const part = pick(machine.parts);
      try {
        part.restore(spoil(part.save()) as SnapshotState);
        taken++;
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect(["TypeError", "Error"]).toContain((error as Error).name);
        refused++;
      }
      for (let index = 0; index < machine.virtioDevices; index++) machine.start(index)?.transport.notify(0);
      machine.tick(10);
      machine.save();
      machine.reset();
    }
    expect(refused).toBeGreaterThan(50);
    expect(taken).toBeGreaterThan(50);
    await new Promise((resolve) => setTimeout(resolve, 10));
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

import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";
import { accessKernel, deviceProgram, everyDevice, garbage } from "./support/hostile-devices.ts";

const kinds = tiers.flatMap(({ tier, cpu }) =>
  (["pci", "mmio"] as const).map((transport) => ({ tier, cpu, transport })),
);

describe.for(kinds)("$tier, $transport: a guest that drives every device wrongly", ({ cpu, transport }) => {
  it("with garbage in rings and registers, from several harts, never gets at the host", async () => {
    const totals: Record<string, number> = {};
    for (let seed = 1; seed <= 5 * ROUNDS; seed++) {
      const choose = chooser(seed);
      const { devices, late, peer } = everyDevice(seed);
      const traffic = setInterval(() => void peer.send(new Uint8Array(14 + choose.below(1500))), 1);
      const { counters } = await survive(
        {
          cpu,
          transport,
          harts: 1 + (seed % 4),
          devices,
          kernel: accessKernel(deviceProgram(choose, transport, 120)),
        },
        { maxInstructions: 250_000 },
      ).finally(() => clearInterval(traffic));
      for (const [name, value] of Object.entries(counters)) {
        const kind = name.split(".").at(-1) as string;
        totals[kind] = (totals[kind] ?? 0) + value;
      }
      // What the disk still had to do when the machine was closed ends, and does no harm.
      while (late.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // The garbage is not so wild that devices see none of it.
    expect(totals.notifications).toBeGreaterThan(100);
    expect(totals.interrupts).toBeGreaterThan(20);
    expect(totals.violations).toBeGreaterThan(20);
    expect(totals.reads).toBeGreaterThan(100);
  });

  it("with nothing but garbage in registers", async () => {
    for (let seed = 1; seed <= 3 * ROUNDS; seed++) {
      const { devices } = everyDevice(seed);
      const kernel = accessKernel(garbage(chooser(5000 + seed), 3000));
      const { counters } = await survive({ cpu, transport, devices, kernel }, { maxInstructions: 150_000 });
      expect(counters["bus.writes"]).toBeGreaterThan(500);
    }
  });

  it("is reset and closed at any time, with requests in flight", async () => {
    for (let seed = 1; seed <= 3 * ROUNDS; seed++) {
      const choose = chooser(9000 + seed);
      const { devices, late } = everyDevice(seed);
      const kernel = accessKernel(deviceProgram(choose, transport, 60));
      const vm = await createVm({ cpu, transport, devices, kernel, memory: 8 << 20 });
      const done = vm.run();
      for (let turn = 0; turn < 12; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (turn % 3 === 0) vm.reset();
        if (turn === 5) vm.pause();
        if (turn === 7) vm.resume();
      }
      await vm.close();
      expect((await done).reason).toBe("stopped");
      // Guest memory belongs to whoever holds the machine: nothing may write to it any more.
      const before = vm.memory.bytes.slice(0x400000);
      while (late.pending > 0) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(Buffer.compare(before, vm.memory.bytes.subarray(0x400000))).toBe(0);
    }
  });
});

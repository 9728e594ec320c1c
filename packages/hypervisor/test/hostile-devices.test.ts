import type { BlockBackend } from "@isomorph/interface";
import { virtioBlk, virtioConsole } from "@isomorph/io";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";
import {
  type Access,
  accessKernel,
  deviceProgram,
  everyDevice,
  garbage,
  initialise,
} from "./support/hostile-devices.ts";

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

/** A request in queue 1 of the first virtio-mmio device: what it reads and what it writes are `length` bytes each. */
function request(length: number, queue: number): Access[] {
  const choose = chooser(1);
  const at = 0x80400000 + queue * 0x1000;
  const put = (size: number, gpa: number, value: number): Access => ({ size, gpa, value: BigInt(value) });
  return [
    ...initialise(choose, "mmio", 0, false),
    put(8, at, 0x80500000),
    put(4, at + 8, queue === 0 ? 16 : length),
    put(4, at + 12, queue === 0 ? 0x10001 : 0),
    put(8, at + 16, 0x80600000),
    put(4, at + 24, length + 1),
    put(4, at + 28, 2),
    put(2, at + 0x404, 0),
    put(2, at + 0x402, 1),
    put(4, 0x10001050, queue),
  ];
}

it("what a disk reads for a machine that is closed does not reach its memory", async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let started = 0;
  const backend: BlockBackend = {
    size: 4096,
    blockSize: 512,
    readOnly: false,
    async read(_offset, target) {
      started++;
      await held;
      target.fill(0x5a);
    },
    write() {},
    flush() {},
    discard() {},
    writeZeroes() {},
    extents: () => [],
    close() {},
  };
  const vm = await createVm({
    cpu: tiers[0].cpu,
    memory: 8 << 20,
    transport: "mmio",
    devices: { disk: virtioBlk({ backend }) },
    kernel: accessKernel(request(512, 0)),
  });
  while (started === 0) await vm.run({ maxInstructions: 50 });
  await vm.close();
  const before = vm.memory.bytes.slice();
  release();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(Buffer.compare(before, vm.memory.bytes)).toBe(0);
});

it("a console takes a mebibyte of a chain and counts what it drops", async () => {
  let printed = 0;
  await using vm = await createVm({
    cpu: tiers[0].cpu,
    memory: 32 << 20,
    transport: "mmio",
    devices: { console: virtioConsole() },
    kernel: accessKernel(request(20 << 20, 1)),
  });
  vm.devices.console.ontransmit = (bytes) => {
    printed += bytes.length;
  };
  while (printed === 0) await vm.run({ maxInstructions: 50 });
  expect(printed).toBe(1 << 20);
  expect(vm.counters()["devices.console.dropped"]).toBe(19 << 20);
});

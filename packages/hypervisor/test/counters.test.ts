import { PROCESSOR_COUNTERS, riscv64 } from "@isomorph/cpu";
import {
  goldfishRtc,
  memoryNetwork,
  uart16550,
  virtioBlk,
  virtioConsole,
  virtioNet,
  virtioRng,
} from "@isomorph/io";
import { expect, test } from "vitest";
import { createVm, describeCounter } from "../src/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";

test("every counter of a machine has a unit and a meaning", async () => {
  const backend = {
    ...{ size: 1 << 20, blockSize: 512, readOnly: true },
    read: (_: number, target: Uint8Array) => void target.fill(0),
    ...{ write() {}, flush() {}, discard() {}, writeZeroes() {}, close() {} },
    extents: (offset: number, length: number) => [{ offset, length, kind: "hole" as const }],
  };
  await using vm = await createVm({
    cpu: riscv64(),
    memory: 16 << 20,
    kernel: kernelOf(sbi.shutdown),
    devices: {
      serial: uart16550(),
      disk: virtioBlk({ backend }),
      console: virtioConsole({}),
      net: virtioNet({ port: memoryNetwork().port() }),
      rng: virtioRng(),
      rtc: goldfishRtc(),
    },
  });
  expect(await vm.run()).toMatchObject({ reason: "power-off" });
  const counters = vm.counters();
  const names = Object.keys(counters);
  expect(names.length).toBeGreaterThan(60);
  for (const name of names) {
    expect([name, describeCounter(name)]).toEqual([
      name,
      { unit: expect.stringMatching(/^[a-z ]+$/), meaning: expect.stringMatching(/^\S.*[^.]$/) },
    ]);
  }
  for (const name of Object.keys(PROCESSOR_COUNTERS))
    expect(counters[`cpu.${name}`]).toBeGreaterThanOrEqual(0);
  expect(counters["cpu.instructions"]).toBe(counters["vm.instructions"]);
  expect(counters["cpu.exitsFirmwareCall"]).toBe(counters["vm.firmwareCalls"]);
  for (const name of ["", "cpu", "cpu.", "cpu.constructor", "none.reads", "devices.x.toString"]) {
    expect(describeCounter(name)).toBeUndefined();
  }
});

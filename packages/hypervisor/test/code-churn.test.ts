import { riscv64 } from "@isomorph/cpu";
import { afterAll, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { CHURN_MEMORY, churningKernel } from "./support/code-churn.ts";
import { trackWebAssembly } from "./support/live-webassembly.ts";

const live = trackWebAssembly();
afterAll(() => live.restore());

it("processes that come and go with code of their own leave nothing behind", {
  timeout: 240_000,
}, async () => {
  await using vm = await createVm({
    cpu: riscv64({ translationThreshold: 20 }),
    memory: CHURN_MEMORY,
    kernel: churningKernel(),
    clock: "instructions",
  });
  const count = (name: string) => vm.counters()[`cpu.${name}`] as number;
  const machineMemory = vm.memory.bytes.buffer.byteLength;
  /** The largest numbers until so many regions have been made. */
  const until = async (regions: number) => {
    let [modules, instances, alive] = [0, 0, 0];
    while (count("regionsTranslated") < regions) {
      await vm.run({ maxInstructions: 500_000 });
      // Its registry hears of the collector's finds in the next turn.
      await new Promise((resolve) => setTimeout(resolve, 0));
      modules = Math.max(modules, live.modules);
      instances = Math.max(instances, live.instances);
      alive = Math.max(alive, count("regions"));
    }
    return { modules, instances, alive, entries: live.tableEntries };
  };
  const first = await until(8000);
  const second = await until(16_000);
  expect(count("regionsDropped")).toBeGreaterThan(12_000);
  // The code map has a table for each of 2048 pages, which is what ends a generation here.
  expect(first.alive).toBeLessThan(3000);
  expect(second.alive).toBeLessThan(3000);
  expect(second.entries).toBeLessThan(first.entries + 100);
  // What is dead waits for the collector: without one there would be a module for some fifteen of all regions.
  expect(second.modules).toBeLessThan(first.modules * 1.5 + 100);
  expect(second.instances).toBeLessThan(first.instances * 1.5 + 100);
  expect(vm.memory.bytes.buffer.byteLength).toBe(machineMemory);
});

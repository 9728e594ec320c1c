import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { riscv64 } from "@isomorph/cpu";
import { afterAll, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { CHURN_MEMORY, churningKernel } from "./support/code-churn.ts";
import { trackWebAssembly } from "./support/live-webassembly.ts";

const live = trackWebAssembly();
afterAll(() => live.restore());

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

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
  /** The most regions alive until so many have been made, and what there is then that is not dead. */
  const until = async (regions: number) => {
    let alive = 0;
    while (count("regionsTranslated") < regions) {
      await vm.run({ maxInstructions: 500_000 });
      alive = Math.max(alive, count("regions"));
    }
    // What the collector finds in one round may lead to more, and its registry hears of it in the next turn.
    for (let round = 0; round < 3; round++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return { modules: live.modules, instances: live.instances, alive, entries: live.tableEntries };
  };
  const first = await until(8000);
  const second = await until(16_000);
  expect(count("regionsDropped")).toBeGreaterThan(12_000);
  // The code map has a table for each of 2048 pages, which is what ends a generation here.
  expect(first.alive).toBeLessThan(3000);
  expect(second.alive).toBeLessThan(3000);
  expect(second.entries).toBeLessThan(first.entries + 100);
  // A module has up to 24 regions.
  expect(first.modules).toBeLessThan(300);
  expect(second.modules).toBeLessThan(300);
  expect(second.instances).toBeLessThan(300);
  expect(vm.memory.bytes.buffer.byteLength).toBe(machineMemory);
});

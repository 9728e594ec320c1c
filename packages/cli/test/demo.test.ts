import { riscv64 } from "@isomorph/cpu";
import { createVm } from "@isomorph/hypervisor";
import { uart16550, virtioBlk } from "@isomorph/io";
import { memoryDisk } from "@isomorph/storage/memory";
import { describe, expect, test } from "vitest";
import { DEMO_LAST_WORDS, demoDisk, demoKernel, demoStarts } from "../src/demo/index.ts";
import { isomorph } from "./support/command.ts";

const LINES = [
  "demo: hello from S-mode, printed by the firmware's console",
  "demo: three timer interrupts, 5 ms apart",
  "demo: this line went out by interrupts of the serial port",
  "demo: the disk says: a sector read by DMA",
  "demo: the disk counts one start more, flushed and read back",
  DEMO_LAST_WORDS,
  "",
];

describe("the built-in guest", () => {
  test("runs with nothing from outside: isomorph run --demo", async () => {
    const { code, stdout, stderr } = await isomorph(["run", "--demo"], { env: { PATH: "" } });
    expect(stdout.toString().replaceAll("\r", "").split("\n")).toEqual(LINES);
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("is the same to the instruction twice when time is made of instructions", async () => {
    const run = async (): Promise<string> => {
      const args = ["run", "--demo", "--clock", "instructions", "--rng-seed", "00", "--stats"];
      const { stderr } = await isomorph(args);
      return stderr.match(/vm\.instructions +\d+/)?.[0] ?? "no count";
    };
    const [first, second] = await Promise.all([run(), run()]);
    expect(first).toMatch(/\d/);
    expect(second).toBe(first);
  });

  test("counts its starts on its disk, interpreted and translated", async () => {
    const disk = demoDisk();
    for (const [round, translationThreshold] of [0, 1].entries()) {
      await using vm = await createVm({
        cpu: riscv64({ translationThreshold }),
        memory: 16 << 20,
        kernel: demoKernel(),
        transport: "mmio",
        devices: { serial: uart16550(), disk: virtioBlk({ backend: memoryDisk({ bytes: disk }) }) },
      });
      expect(await vm.run({ signal: AbortSignal.timeout(10_000) })).toEqual({ reason: "power-off", code: 0 });
      expect(demoStarts(disk)).toBe(round + 1);
    }
  });

  test("says when there is no disk, and ends as a failure", async () => {
    let text = "";
    await using vm = await createVm({
      cpu: riscv64(),
      memory: 16 << 20,
      kernel: demoKernel(),
      transport: "mmio",
      devices: { serial: uart16550() },
    });
    vm.devices.serial.ontransmit = (bytes) => {
      text += new TextDecoder().decode(bytes);
    };
    const outcome = await vm.run({ signal: AbortSignal.timeout(10_000) });
    expect(text).toContain("demo: this line went out");
    expect(outcome).not.toEqual({ reason: "power-off", code: 0 });
  });
});

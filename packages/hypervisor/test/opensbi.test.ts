import { readFileSync } from "node:fs";
import { riscv64 } from "@isomorph/cpu";
import { uart16550 } from "@isomorph/io";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";

/** OpenSBI as Debian's package `opensbi` installs it. */
const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic";

describe("OpenSBI in M-mode", () => {
  for (const file of ["fw_dynamic.bin", "fw_dynamic.elf", "fw_jump.elf"]) {
    it(`${file} starts the kernel, which starts another hart and powers off`, async () => {
      const kernel = kernelOf(`
          mv s0, a0                # OpenSBI chooses the boot hart
          xori a0, s0, 1
          lla a1, second
          ${sbi.hartStart}
          lla s1, flag
        1: lw t0, 0(s1)
          beqz t0, 1b
          ${sbi.shutdown}
        second:
          lla t0, flag
          li t1, 1
          sw t1, 0(t0)
        2: wfi
          j 2b
          .balign 4
        flag: .word 0`);
      await using vm = await createVm({
        cpu: riscv64(),
        harts: 2,
        memory: 128 << 20,
        firmware: readFileSync(`${OPENSBI}/${file}`),
        kernel,
        devices: { console: uart16550() },
      });
      let text = "";
      vm.devices.console.ontransmit = (bytes) => {
        text += new TextDecoder().decode(bytes);
      };
      const outcome = await vm.run({ signal: AbortSignal.timeout(20_000) });
      vm.devices.console.flush();
      expect(text).toContain("OpenSBI v");
      expect(text).toMatch(/Platform Name\s+: isomorph,virt/);
      expect(text).toMatch(/Platform HART Count\s+: 2/);
      expect(text).toMatch(/Domain0 Next Address\s+: 0x0000000080200000/);
      expect(outcome).toEqual({ reason: "power-off", code: 0 });
    });
  }
});

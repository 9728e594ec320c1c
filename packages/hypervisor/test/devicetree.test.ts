import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { riscv64 } from "@isomorph/cpu";
import { uart16550, virtioRng } from "@isomorph/io";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createVm, linuxImage, type VmConfig } from "../src/index.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "isomorph-devicetree-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const kernel = linuxImage(new Uint8Array(64).fill(0x13));
const devices = { console: uart16550(), second: uart16550(), rng: virtioRng(), more: virtioRng() };

/** The device tree as the first hart finds it: its address is in a1. */
async function devicetreeOf(
  config: Partial<VmConfig>,
): Promise<{ file: string; source: string; warnings: string }> {
  await using vm = await createVm({ cpu: riscv64(), memory: 64 << 20, kernel, devices, ...config });
  const gpa = Number(vm.harts[0]?.readRegister(11));
  const size = vm.memory.data.getUint32(gpa - vm.memory.base + 4, false);
  const file = join(directory, "machine.dtb");
  writeFileSync(file, vm.memory.view(gpa, size));
  const dtc = spawnSync("dtc", ["-Idtb", "-Odts", file], { encoding: "utf8" });
  expect(dtc.error).toBeUndefined();
  expect(dtc.status).toBe(0);
  return { file, source: dtc.stdout, warnings: dtc.stderr };
}

function get(file: string, node: string, property: string, type = "x"): string {
  const result = spawnSync("fdtget", [`-t${type}`, file, node, property], { encoding: "utf8" });
  expect(result.stderr).toBe("");
  return result.stdout.trim();
}

describe("the device tree of the machine", () => {
  for (const transport of ["pci", "mmio"] as const) {
    for (const firmware of [undefined, new Uint8Array(64).fill(0x13)]) {
      it(`has no fault that dtc finds: ${transport}, ${firmware ? "firmware" : "no firmware"}`, async () => {
        const { warnings } = await devicetreeOf({
          transport,
          firmware,
          harts: 3,
          initrd: new Uint8Array(10),
        });
        expect(warnings).toBe("");
      });
    }
  }

  it("tells command line, console, memory and initrd", async () => {
    const initrd = new Uint8Array(5000).fill(1);
    const { file } = await devicetreeOf({ cmdline: "root=/dev/vda rw", initrd, memory: 1 << 30 });
    expect(get(file, "/chosen", "bootargs", "s")).toBe("root=/dev/vda rw");
    expect(get(file, "/chosen", "stdout-path", "s")).toBe("/soc/serial@10000000");
    expect(get(file, "/memory@80000000", "reg")).toBe("0 80000000 0 40000000");
    const [, start] = get(file, "/chosen", "linux,initrd-start").split(" ");
    const [, end] = get(file, "/chosen", "linux,initrd-end").split(" ");
    expect(Number.parseInt(end ?? "", 16) - Number.parseInt(start ?? "", 16)).toBe(5000);
  });

  it("has a fresh seed at each start unless one is given", async () => {
    const seed = async (rngSeed?: Uint8Array) =>
      get((await devicetreeOf({ rngSeed })).file, "/chosen", "rng-seed", "bx");
    expect(await seed()).not.toBe(await seed());
    expect(await seed(Uint8Array.of(1, 2, 255))).toBe("1 2 ff");
  });

  it("describes each hart", async () => {
    const { file } = await devicetreeOf({ harts: 2 });
    for (const hart of [0, 1]) {
      const node = `/cpus/cpu@${hart}`;
      expect(get(file, node, "riscv,isa", "s")).toMatch(/^rv64imafdc/);
      expect(get(file, node, "riscv,isa-base", "s")).toBe("rv64i");
      expect(get(file, node, "riscv,isa-extensions", "s").split(" ")).toContain("sstc");
      expect(get(file, node, "mmu-type", "s")).toMatch(/^riscv,sv(39|48|57)$/);
      expect(get(file, node, "riscv,cboz-block-size")).toBe("40");
      expect(get(file, `${node}/interrupt-controller`, "phandle")).toBe(`${hart + 1}`);
    }
    expect(get(file, "/cpus", "timebase-frequency", "u")).toBe("10000000");
  });

  it("puts devices where boards of this kind have them", async () => {
    const { file } = await devicetreeOf({ transport: "mmio" });
    expect(get(file, "/soc/serial@10000000", "interrupts", "u")).toBe("10");
    expect(get(file, "/soc/serial@10010000", "reg")).toBe("0 10010000 0 100");
    expect(get(file, "/soc/virtio_mmio@10001000", "interrupts", "u")).toBe("1");
    expect(get(file, "/soc/virtio_mmio@10002000", "interrupts", "u")).toBe("2");
    expect(get(file, "/soc/rtc@101000", "interrupts", "u")).toBe("11");
    expect(get(file, "/soc/test@100000", "compatible", "s")).toContain("syscon");
    expect(get(file, "/poweroff", "value")).toBe("5555");
    expect(get(file, "/poweroff", "regmap")).toBe(get(file, "/soc/test@100000", "phandle"));
  });

  it("routes the interrupts of PCI slots to the PLIC", async () => {
    const { file } = await devicetreeOf({});
    const plic = get(file, "/soc/interrupt-controller@c000000", "phandle");
    const map = get(file, "/soc/pci@30000000", "interrupt-map").split(" ");
    expect(map.length).toBe(16 * 6);
    for (let slot = 0; slot < 4; slot++) {
      for (let pin = 1; pin <= 4; pin++) {
        const entry = map.slice((slot * 4 + pin - 1) * 6).slice(0, 6);
        const source = (32 + ((slot + pin - 1) % 4)).toString(16);
        expect(entry).toEqual([(slot << 11).toString(16), "0", "0", `${pin}`, plic, source]);
      }
    }
    expect(get(file, "/soc/pci@30000000", "reg").startsWith("0 30000000 ")).toBe(true);
  });

  it("shows the CLINT and reserves memory only where M-mode firmware runs", async () => {
    const withFirmware = await devicetreeOf({ firmware: new Uint8Array(64).fill(0x13) });
    expect(withFirmware.source).toMatch(/\/memreserve\/\s+0x0*80000000 0x0*200000;/);
    expect(get(withFirmware.file, "/soc/clint@2000000", "interrupts-extended")).toBe("1 3 1 7");
    expect(get(withFirmware.file, "/soc/interrupt-controller@c000000", "interrupts-extended")).toBe(
      "1 b 1 9",
    );
    const without = await devicetreeOf({});
    expect(without.source).not.toContain("clint");
    expect(without.source).not.toContain("memreserve");
    expect(get(without.file, "/soc/interrupt-controller@c000000", "interrupts-extended")).toBe("1 9");
  });
});

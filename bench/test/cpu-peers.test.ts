/** What peers are given besides the guest's own images. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chromium, ours, qemu, rvvm, tinyemu, v86 } from "../src/cpu/emulators.ts";
import { kernelWithInitrd } from "../src/cpu/kernel-with-initrd.ts";
import { tinyemuFirmware } from "../src/cpu/tinyemu-machine.ts";

const folder = mkdtempSync(join(tmpdir(), "isomorph-peers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kernel = join(folder, "vmlinux");
const initrd = join(folder, "initrd.img");
writeFileSync(kernel, "kernel");
writeFileSync(initrd, "archive");
const images = { kernel, initrd, firmware: "/fw_jump.bin", append: "rdinit=/bench/init", folder };

test("kernel and initrd in one image: the initrd lies where the option says", async () => {
  const { image, option } = await kernelWithInitrd(kernel, initrd, folder);
  expect(option).toBe("initrd=0x84000000,7");
  const bytes = readFileSync(image);
  expect(bytes.subarray(0, 7).toString()).toBe("kernel\0");
  expect(bytes.subarray(0x84000000 - 0x80200000).toString()).toBe("archive");
  writeFileSync(kernel, Buffer.alloc(64 << 20));
  await expect(kernelWithInitrd(kernel, initrd, folder)).rejects.toThrow(/too large/);
  writeFileSync(kernel, "kernel");
});

test("TinyEMU's device tree is one that dtc has nothing to say about, behind the firmware", async () => {
  const bytes = readFileSync(await tinyemuFirmware("console=hvc0", folder));
  const at = bytes.indexOf(Buffer.from([0xd0, 0x0d, 0xfe, 0xed]));
  expect(at).toBeGreaterThan(256);
  expect(at % 8).toBe(0);
  const dtb = join(folder, "tree.dtb");
  writeFileSync(dtb, bytes.subarray(at));
  const dts = execFileSync("dtc", ["-I", "dtb", "-O", "dts", dtb], { encoding: "utf8", stdio: "pipe" });
  expect(dts).toContain('bootargs = "console=hvc0"');
  expect(dts).toContain('riscv,isa = "rv64ima');
});

test("every emulator has one hart, 1 GiB where it is told how much, and the same command line but for its console", async () => {
  const line = async (emulator: ReturnType<typeof qemu>): Promise<string> =>
    (await emulator.command(images)).argv.join(" ");
  expect(await line(ours())).toMatch(
    /packages\/cli\/bin\/isomorph.js run --no-tty --memory 1G .*--append console=ttyS0 rdinit=\/bench\/init$/,
  );
  expect(await line(ours("node  cli.js"))).toMatch(/^node cli.js run --no-tty/);
  expect(await line(qemu())).toMatch(
    /^qemu-system-riscv64 -M virt -accel tcg -smp 1 -m 1G .*console=ttyS0 rdinit/,
  );
  expect(await line(rvvm("/rvvm"))).toMatch(
    /^\/rvvm \/fw_jump.bin -m 1G -smp 1 .*console=ttyS0 initrd=0x84000000,7 rdinit=\/bench\/init$/,
  );
  expect(await line(chromium())).toMatch(
    /chromium\/main.ts chromium \S+worker.js \S+ 1073741824 .*console=ttyS0 rdinit=\/bench\/init$/,
  );
  expect(await line(v86("/v86"))).toMatch(
    /v86\/main.ts \/v86 \S+ \S+ \S+ console=ttyS0 rdinit=\/bench\/init$/,
  );
  const [program, config] = (await tinyemu("/temu").command(images)).argv;
  expect(program).toBe("/temu");
  expect(readFileSync(config!, "utf8")).toMatch(
    /machine: "riscv64", memory_size: 1024, bios: ".*", kernel: ".*"/,
  );
});

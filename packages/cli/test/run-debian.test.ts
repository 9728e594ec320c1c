/** `isomorph run` with Debian's kernel: firmware, transports, disks, and images that are not whole. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyGuestRoot, type DebianGuest } from "../src/guest/debian.ts";
import { isomorph, runToEnd, scratch } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";

const { folder, env } = scratch();
const file = (name: string): string => join(folder, name);
const BOOT = { timeout: 240_000 };
const FIRMWARE = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin";
const QUIET = "console=ttyS0 quiet cryptomgr.notests";
let guest: DebianGuest;

beforeAll(async () => {
  guest = await debianGuest();
}, BUILD_SECONDS * 1000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: readonly string[]): readonly string[] => [
  "run",
  "--kernel",
  guest.kernel,
  "--initrd",
  guest.initrd,
  ...args,
];

describe("the kernel of Debian", () => {
  test("under OpenSBI, over MMIO, with a read-only root and an overlay", BOOT, async () => {
    const scratchDisk = file("scratch.img");
    const pristine = file("pristine.img");
    writeFileSync(scratchDisk, Buffer.alloc(4 << 20, "isomorph"));
    copyFileSync(scratchDisk, pristine);
    const command = `
      dmesg | grep -o 'SBI implementation ID=0x1'
      findmnt -no OPTIONS / | cut -d, -f1
      touch /root/x 2>&1 | grep -o 'Read-only file system'
      cat /sys/block/vda/ro; head -c 8 /dev/vdb; echo
      printf changed | dd of=/dev/vdb conv=fsync,notrunc status=none
      echo 3 >/proc/sys/vm/drop_caches; head -c 8 /dev/vdb; echo
      ls /sys/bus/virtio/drivers; ls -d /sys/devices/platform/soc/*.virtio_mmio | wc -l`;
    const { code, stdout, stderr } = await isomorph(
      run(
        ...["--firmware", FIRMWARE, "--transport", "mmio", "--harts", "2"],
        ...["--disk", `${guest.root},readonly`, "--disk", `${scratchDisk},overlay`],
        ...["--append", `${QUIET} root=/dev/vda ro`, "--exec", command],
      ),
      { env },
    );
    expect(stderr).toBe("");
    const lines = stdout.toString().split("\n");
    expect(lines.slice(0, 6)).toEqual([
      "SBI implementation ID=0x1",
      "ro",
      "Read-only file system",
      "1",
      "isomorph",
      "changedh",
    ]);
    expect(lines).toContain("virtio_blk");
    expect(Number(lines.at(-2))).toBeGreaterThanOrEqual(3);
    expect(code).toBe(0);
    const compared = await runToEnd("qemu-img", ["compare", "-f", "raw", "-F", "raw", scratchDisk, pristine]);
    expect([compared.code, compared.stdout.toString()]).toEqual([0, "Images are identical.\n"]);
  });

  test("with init=/bin/bash, typed at through standard input", BOOT, async () => {
    const append = `${QUIET} root=/dev/vda rw panic=-1 init=/bin/bash`;
    let typed = false;
    const { code, stdout } = await isomorph(
      run("--disk", `${guest.root},overlay`, "--append", append, "--timeout", "200"),
      {
        input: null,
        env,
        onoutput: (child, shown) => {
          if (typed || !shown.endsWith("# ")) return;
          typed = true;
          child.stdin?.end("echo $((6 * 7)) is the answer\nexec /usr/local/sbin/poweroff\n");
        },
      },
    );
    expect(stdout.toString()).toMatch(/42 is the answer/);
    expect(code).toBe(0);
  });

  test("without a disk: a command in the initrd's own busybox", BOOT, async () => {
    const { code, stdout, stderr } = await isomorph(
      run("--append", QUIET, "--console", "virtio", "--exec", "echo from the initrd; exit 3"),
      { env },
    );
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 3,
      stdout: "from the initrd\n",
      stderr: "",
    });
  });
});

describe("images that are not whole", () => {
  test("a kernel or initrd that is cut short is refused at once", async () => {
    const kernel = readFileSync(guest.kernel);
    const initrd = readFileSync(guest.initrd);
    writeFileSync(file("half-kernel"), kernel.subarray(0, kernel.length / 2));
    writeFileSync(file("half-initrd"), initrd.subarray(0, initrd.length / 2));
    const [half, archive] = await Promise.all([
      isomorph(["run", "--kernel", file("half-kernel")]),
      isomorph(["run", "--kernel", guest.kernel, "--initrd", file("half-initrd")]),
    ]);
    expect(half.stderr).toMatch(/half-kernel: the kernel .*(cut short|incomplete|bytes)/);
    expect(archive.stderr).toMatch(/half-initrd: the initrd is a cpio archive that ends early/);
    expect([half.code, archive.code]).toEqual([1, 1]);
  });

  test("a disk that is cut short ends in an error with the guest's own words", BOOT, async () => {
    const root = file("half.ext4");
    await copyGuestRoot(guest, root);
    await runToEnd("truncate", ["-s", "64M", root]);
    const { code, stderr } = await isomorph(
      run("--disk", `${root},overlay`, "--append", `${QUIET} root=/dev/vda rw`, "--exec", "true"),
      { env },
    );
    expect(stderr).toMatch(/the kernel of the guest has panicked; .*\n.*cannot mount \/dev\/vda as ext4/s);
    expect(code).toBe(1);
  });
});

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeCpio } from "../../../../packages/cli/src/guest/cpio.ts";
import { FileTree } from "../../../../packages/cli/src/guest/file-tree.ts";
import { SUITE } from "../../../../packages/cli/src/guest/packages.ts";
import { targets } from "../compile.ts";
import {
  type GuestOptions,
  joined,
  MEASURED_PACKAGES,
  type MeasuringGuest,
  programsArchive,
  progressLines,
} from "../guest.ts";
import { ARCHIVE, type PackageRequest, takePackages } from "../packages.ts";

const ARCHITECTURE = "i386";

/** The programs are those that the other guest has, built for this machine. */
const PROGRAMS: PackageRequest = {
  ...{ suite: SUITE, architecture: ARCHITECTURE, guest: MEASURED_PACKAGES },
  besides: [
    { name: "busybox", asked: "busybox-static", path: /^usr\/bin\/busybox$/ },
    { name: "bios.bin", asked: "seabios", path: /^usr\/share\/seabios\/bios\.bin$/ },
  ],
};

/** Debian 12 is the last that has kernels for 32 bits. */
const KERNEL: PackageRequest = {
  ...{ suite: "bookworm", architecture: ARCHITECTURE, guest: [] },
  besides: [
    {
      ...{ name: "vmlinuz", asked: "linux-image-686" },
      ...{ holder: /^linux-image-\d.*-686$/, path: /^boot\/vmlinuz-/ },
    },
  ],
};

/** The applets of busybox that are called by their own names; the programs' init calls the others through it. */
const APPLETS = ["sh", "cat", "insmod", "mkdir", "mount"];

/** The guest of the peer table for a PC of 32 bits. */
export async function buildPcGuest(options: GuestOptions): Promise<MeasuringGuest> {
  const { cacheDir, folder, genuine } = options;
  const onProgress = progressLines(options.tell);
  const cache = join(cacheDir, "bench");
  const taken = await takePackages(cache, PROGRAMS, onProgress);
  const kernel = join(await takePackages(cache, KERNEL, onProgress), "vmlinuz");

  const tree = new FileTree();
  for (const name of ["bin", "dev", "proc", "sys"]) tree.directory(name);
  const device = { kind: "character", major: 5, minor: 1, mode: 0o600, uid: 0, gid: 0, mtime: 0 } as const;
  tree.add("dev/console", device);
  tree.file("bin/busybox", await readFile(join(taken, "busybox")), { mode: 0o755 });
  for (const applet of APPLETS) tree.symlink(`bin/${applet}`, "busybox");
  const bootInitrd = join(folder, "boot-i386.img");
  await writeFile(bootInitrd, writeCpio(tree));

  const initrd = join(folder, "initrd-i386.img");
  const programs = await programsArchive(genuine, targets.i386);
  await writeFile(initrd, await joined(bootInitrd, join(taken, ARCHIVE), programs));
  const version = releaseOf(await readFile(kernel));
  return { kernel, bootInitrd, initrd, firmware: join(taken, "bios.bin"), version };
}

/** A bzImage says in its header where its version stands (Linux, Documentation/arch/x86/boot.rst, kernel_version). */
function releaseOf(image: Buffer): string {
  const at = 0x200 + image.readUInt16LE(0x20e);
  return image.toString("latin1", at, at + 64).split(/[ \0]/)[0] ?? "";
}

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCpio } from "../../../packages/cli/src/guest/cpio.ts";
import { buildDebianGuest } from "../../../packages/cli/src/guest/debian.ts";
import { FileTree } from "../../../packages/cli/src/guest/file-tree.ts";
import { ARCHITECTURE, SUITE } from "../../../packages/cli/src/guest/packages.ts";
import { compileGuestPrograms, type GenuineSources, guestSources, type Target, targets } from "./compile.ts";
import { ARCHIVE, takePackages } from "./packages.ts";

/** What is measured comes from these, with what they depend on. */
export const MEASURED_PACKAGES: readonly string[] = ["gzip", "python3-minimal"];

/** The images that an emulator boots. */
export interface MeasuringGuest {
  /** Debian's kernel, as its architecture boots it: a raw RISC-V Image, or a bzImage. */
  readonly kernel: string;
  /** An initial RAM file system without what is measured: for the boot row. */
  readonly bootInitrd: string;
  /** The same with the measured programs and {@link INIT} added. */
  readonly initrd: string;
  /** For emulators that bring no firmware of their own: OpenSBI that goes on 2 MiB into RAM, or a PC's BIOS. */
  readonly firmware: string;
  /** The kernel's release. */
  readonly version: string;
}

/** `rdinit=` of {@link MeasuringGuest.initrd}. */
export const INIT = "/bench/init";

/** What a guest is built with. */
export interface GuestOptions {
  /** Where the guest builder keeps its packages and guests. */
  readonly cacheDir: string;
  /** Takes what is composed. */
  readonly folder: string;
  readonly genuine: GenuineSources;
  /** Receives a line for whatever takes long. */
  readonly tell: (line: string) => void;
}

/**
 * Composes the guest of the peer table: Debian's kernel and initrd from the guest builder, programs from Debian's
 * packages, and programs compiled here.
 */
export async function buildMeasuringGuest(options: GuestOptions): Promise<MeasuringGuest> {
  const { cacheDir, folder, genuine } = options;
  const onProgress = progressLines(options.tell);
  const { kernel, initrd: bootInitrd, version } = await buildDebianGuest({ cacheDir, onProgress });
  const opensbi = /^usr\/lib\/riscv64-linux-gnu\/opensbi\/generic\/fw_jump\.bin$/;
  const request = {
    ...{ suite: SUITE, architecture: ARCHITECTURE, guest: MEASURED_PACKAGES },
    besides: [{ name: "fw_jump.bin", asked: "opensbi", path: opensbi }],
  };
  const taken = await takePackages(join(cacheDir, "bench"), request, onProgress);
  const initrd = join(folder, "initrd.img");
  const programs = await programsArchive(genuine, targets.riscv64);
  await writeFile(initrd, await joined(bootInitrd, join(taken, ARCHIVE), programs));
  return { kernel, bootInitrd, initrd, firmware: join(taken, "fw_jump.bin"), version };
}

/** Passes messages on, each once until another comes. */
export function progressLines(
  tell: (line: string) => void,
): (progress: { readonly message: string }) => void {
  let last = "";
  return ({ message }) => {
    if (message !== last) tell(message);
    last = message;
  };
}

/** An initrd: the kernel unpacks concatenated archives one after the other. */
export async function joined(first: string, second: string, third: Uint8Array): Promise<Uint8Array> {
  return Buffer.concat([await readFile(first), await readFile(second), third]);
}

/** The cpio archive of what is in this repository, and of the genuine benchmarks where they are given. */
export async function programsArchive(genuine: GenuineSources, target: Target): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
  try {
    const tree = new FileTree();
    const executable = { mode: 0o755 };
    for (const name of await compileGuestPrograms(folder, genuine, target)) {
      tree.file(`bench/${name}`, await readFile(join(folder, name)), executable);
    }
    tree.file(INIT, await readFile(join(guestSources, "init.sh")), executable);
    for (const name of (await readdir(guestSources)).filter((name) => name.endsWith(".py"))) {
      tree.file(`bench/${name}`, await readFile(join(guestSources, name)));
    }
    return writeCpio(tree);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

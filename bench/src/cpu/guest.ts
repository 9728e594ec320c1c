import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPrivateApt } from "../../../packages/cli/src/guest/apt-private.ts";
import { sha256Text } from "../../../packages/cli/src/guest/checksum.ts";
import { writeCpio } from "../../../packages/cli/src/guest/cpio.ts";
import { buildDebianGuest } from "../../../packages/cli/src/guest/debian.ts";
import { unpackDeb } from "../../../packages/cli/src/guest/extract.ts";
import { contentBytes, FileTree } from "../../../packages/cli/src/guest/file-tree.ts";
import { defaultToolPath, findHostTools } from "../../../packages/cli/src/guest/host-tools.ts";
import { acquireLock } from "../../../packages/cli/src/guest/lock.ts";
import { isWanted, SUITE } from "../../../packages/cli/src/guest/packages.ts";
import { compileGuestPrograms, type GenuineSources, guestSources } from "./compile.ts";

/** What is measured comes from these, with what they depend on; raise the number when their use changes. */
const PACKAGES = ["gzip", "python3-minimal"];
const PACKAGES_REVISION = 1;

/** Of these packages only what runs: the rest would be read into RAM at every boot. */
const NOT_NEEDED =
  /^(usr\/bin\/(dpkg|tar|rmt)|usr\/sbin\/|usr\/lib\/(dpkg|.*\/(gconv|ossl-modules)\/)|etc\/|var\/)/;

/** The images that every emulator boots. */
export interface MeasuringGuest {
  /** Debian's kernel, a raw RISC-V Image. */
  readonly kernel: string;
  /** Debian's initial RAM file system as it boots elsewhere: for the boot row. */
  readonly bootInitrd: string;
  /** The same with the measured programs and {@link INIT} added. */
  readonly initrd: string;
  /** OpenSBI that goes on 2 MiB into RAM, for emulators that bring no firmware of their own. */
  readonly firmware: string;
  /** The kernel's release. */
  readonly version: string;
}

/** It stays outside of the guest. */
const FIRMWARE_PACKAGE = "opensbi";
const FIRMWARE_PATH = "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin";

/** `rdinit=` of {@link MeasuringGuest.initrd}. */
export const INIT = "/bench/init";

/**
 * Composes the guest of the peer table: Debian's kernel and initrd from the guest builder, programs from Debian's
 * packages, and programs compiled here.
 *
 * @param cacheDir - Where the guest builder keeps its packages and guests.
 * @param folder - Takes the composed initrd.
 * @param tell - Receives a line for whatever takes long.
 */
export async function buildMeasuringGuest(
  cacheDir: string,
  folder: string,
  genuine: GenuineSources,
  tell: (line: string) => void,
): Promise<MeasuringGuest> {
  let last = "";
  const onProgress = ({ message }: { readonly message: string }): void => {
    if (message !== last) tell(message);
    last = message;
  };
  const debian = await buildDebianGuest({ cacheDir, onProgress });
  const { archive, firmware } = await fromPackages(join(cacheDir, "bench"), onProgress);
  const programs = await programsArchive(genuine);
  const initrd = join(folder, "initrd.img");
  // The kernel unpacks concatenated archives one after the other.
  await writeFile(initrd, Buffer.concat([await readFile(debian.initrd), await readFile(archive), programs]));
  return { kernel: debian.kernel, bootInitrd: debian.initrd, initrd, firmware, version: debian.version };
}

/** What comes of Debian's packages, as files in the cache. */
interface PackageFiles {
  /** {@link PACKAGES} as a cpio archive. */
  readonly archive: string;
  readonly firmware: string;
}

async function fromPackages(
  cache: string,
  onProgress: (progress: { readonly message: string }) => void,
): Promise<PackageFiles> {
  const recipe = [SUITE, PACKAGES, FIRMWARE_PACKAGE, PACKAGES_REVISION, NOT_NEEDED.source];
  const folder = join(cache, sha256Text(JSON.stringify(recipe)).slice(0, 16));
  const files = { archive: join(folder, "packages.cpio"), firmware: join(folder, "fw_jump.bin") };
  if (existsSync(folder)) return files;

  const tools = findHostTools(defaultToolPath());
  await mkdir(cache, { recursive: true });
  const release = await acquireLock(join(cache, "lock"), {
    onWait: (pid) => onProgress({ message: `process ${pid} is fetching packages; waiting for it` }),
  });
  const work = join(cache, `work-${process.pid}`);
  try {
    if (existsSync(folder)) return files;
    const apt = await openPrivateApt({ directory: join(cache, "apt"), tools, onProgress });
    await apt.update();
    const packages = await apt.resolve([...PACKAGES, FIRMWARE_PACKAGE]);
    await apt.download(packages);
    const finished = join(work, "finished");
    await mkdir(finished, { recursive: true });
    const guest = new FileTree();
    const besides = new FileTree();
    const staging = { directory: work, count: 0 };
    const wanted = (path: string): boolean => isWanted(path) && !NOT_NEEDED.test(path);
    for (const entry of packages) {
      onProgress({ message: `unpacking ${entry.name}` });
      const tree = entry.name === FIRMWARE_PACKAGE ? besides : guest;
      await unpackDeb(apt.fileOf(entry), entry.name, tree, staging, { tools, wanted });
    }
    // What base-files does by making /lib a link.
    for (const name of guest.list("usr/lib").filter((name) => name.startsWith("ld-linux-"))) {
      guest.symlink(`lib/${name}`, `/usr/lib/${name}`);
    }
    const firmware = besides.find(FIRMWARE_PATH);
    if (firmware?.kind !== "file") throw new Error(`the package ${FIRMWARE_PACKAGE} has no ${FIRMWARE_PATH}`);
    await writeFile(join(finished, "packages.cpio"), writeCpio(guest));
    await writeFile(join(finished, "fw_jump.bin"), contentBytes(firmware.content));
    await rename(finished, folder);
    return files;
  } finally {
    await rm(work, { recursive: true, force: true });
    await release();
  }
}

/** The cpio archive of what is in this repository, and of the genuine benchmarks where they are given. */
async function programsArchive(genuine: GenuineSources): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
  try {
    const tree = new FileTree();
    const executable = { mode: 0o755 };
    for (const name of await compileGuestPrograms(folder, genuine)) {
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

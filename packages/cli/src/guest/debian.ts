import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type ArchivePackage, openPrivateApt, type PrivateApt } from "./apt-private.ts";
import { copyExtents, sha256Text } from "./checksum.ts";
import { composeGuest } from "./compose.ts";
import { defaultToolPath, findHostTools, type HostTools } from "./host-tools.ts";
import { acquireLock } from "./lock.ts";
import {
  describeArtefact,
  type GuestManifest,
  markVerified,
  verifyGuest,
  writeManifest,
} from "./manifest.ts";
import * as recipe from "./packages.ts";
import type { OnGuestProgress } from "./progress.ts";

/** What {@link buildDebianGuest} is told. */
export interface DebianGuestOptions {
  /** Folder that keeps packages and finished guests; made if absent, shared by any number of processes. */
  readonly cacheDir: string;
  /** Size of the root file system in bytes, a multiple of 1 MiB from 1 GiB; 2 GiB by default. The file is sparse. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnGuestProgress | undefined;
  /** Asks the archive anew and builds even if a guest is there. */
  readonly force?: boolean | undefined;
  /** Reads every byte of a guest that is there, even if its files look untouched. */
  readonly verify?: boolean | undefined;
  /** Base address of a Debian mirror; the host's own apt sources by default. */
  readonly mirror?: string | undefined;
  /** Folders that are searched for the host's programs; PATH and the system's own by default. */
  readonly toolPath?: readonly string[] | undefined;
}

/** A guest that is ready to boot. Its files are read-only and shared: overlay or copy the root to write. */
export interface DebianGuest {
  /** The raw RISC-V Image, as Debian ships it. */
  readonly kernel: string;
  /** Initial RAM file system: mounts `root=` and starts its init. */
  readonly initrd: string;
  /** Raw image of an ext4 file system (no partition table), never written to. */
  readonly root: string;
  /** The manifest as it was read and checked. */
  readonly manifest: GuestManifest;
  readonly digest: string;
  /** Release of the kernel, as `uname -r` prints it. */
  readonly version: string;
  /** Whether it was there already. */
  readonly cached: boolean;
}

const DEFAULT_SIZE = 2 * 1024 ** 3;
const MINIMUM_SIZE = 1024 ** 3;
const MEBIBYTE = 1024 ** 2;

/**
 * Gives the Debian guest: from the cache where one made by this recipe is there and whole, else built from
 * Debian's packages through an apt of its own. Needs no privilege and changes nothing of the host's outside
 * `cacheDir`. An interrupted build goes on where it stopped; two at once wait for one another.
 * @throws RangeError on a size out of range; {@link GuestError} on a failure of the host; the signal's reason.
 */
export async function buildDebianGuest(options: DebianGuestOptions): Promise<DebianGuest> {
  const size = options.size ?? DEFAULT_SIZE;
  if (!Number.isSafeInteger(size) || size < MINIMUM_SIZE || size % MEBIBYTE !== 0) {
    throw new RangeError(`size must be a multiple of 1 MiB and at least 1 GiB, not ${size}`);
  }
  options.signal?.throwIfAborted();
  const base = join(resolve(options.cacheDir), `debian-${recipe.SUITE}-${recipe.ARCHITECTURE}`);
  const pointer = join(base, `current-${recipeDigest(size)}`);
  const onProgress = options.onProgress ?? (() => {});
  if (options.force !== true) {
    const guest = await findGuest(base, pointer, options, onProgress);
    if (guest !== undefined) return guest;
  }

  const tools = findHostTools(options.toolPath ?? defaultToolPath());
  await mkdir(base, { recursive: true });
  const release = await acquireLock(join(base, "lock"), {
    signal: options.signal,
    onWait: (pid) =>
      onProgress({ step: "wait", message: `process ${pid} is building the guest; waiting for it` }),
  });
  try {
    if (options.force !== true) {
      const guest = await findGuest(base, pointer, options, onProgress);
      if (guest !== undefined) return guest;
    }
    await removeLeftovers(base);
    const digest = await build(base, size, tools, options, onProgress);
    await writeFile(`${pointer}.new`, digest);
    await rename(`${pointer}.new`, pointer);
    const guest = await openGuest(base, digest, false);
    if (guest === undefined) throw new Error("the guest that was just built is gone");
    return guest;
  } finally {
    await release();
  }
}

/**
 * Copies a guest's root to a new file that can be written to, holes left holes.
 * @throws Error with code `EEXIST` if there is such a file.
 */
export function copyGuestRoot(guest: DebianGuest, path: string, signal?: AbortSignal): Promise<void> {
  const { extents, size } = guest.manifest.artefacts.root;
  return copyExtents(guest.root, path, extents ?? [[0, size]], signal);
}

/** Names everything but the packages' versions that decides what a guest is. */
function recipeDigest(size: number): string {
  return sha256Text(JSON.stringify({ ...recipe, revision: recipe.RECIPE_REVISION, size })).slice(0, 16);
}

async function findGuest(
  base: string,
  pointer: string,
  options: DebianGuestOptions,
  onProgress: OnGuestProgress,
): Promise<DebianGuest | undefined> {
  const digest = (await readFile(pointer, "utf8").catch(() => "")).trim();
  if (!/^[0-9a-f]{64}$/.test(digest)) return undefined;
  onProgress({ step: "check", message: "checking the guest in the cache" });
  const manifest = await verifyGuest(folderOf(base, digest), {
    thorough: options.verify,
    signal: options.signal,
    onHash: (file) => onProgress({ step: "check", message: `reading ${file}` }),
    onRefusal: (reason) =>
      onProgress({ step: "check", message: `the guest in the cache is unusable: ${reason}` }),
  });
  return manifest && describe(base, manifest, true);
}

async function openGuest(base: string, digest: string, cached: boolean): Promise<DebianGuest | undefined> {
  const manifest = await verifyGuest(folderOf(base, digest));
  return manifest && describe(base, manifest, cached);
}

function describe(base: string, manifest: GuestManifest, cached: boolean): DebianGuest {
  const folder = folderOf(base, manifest.digest);
  const { kernel, initrd, root } = manifest.artefacts;
  return {
    kernel: join(folder, kernel.file),
    initrd: join(folder, initrd.file),
    root: join(folder, root.file),
    manifest,
    digest: manifest.digest,
    version: manifest.kernelRelease,
    cached,
  };
}

async function build(
  base: string,
  size: number,
  tools: HostTools,
  options: DebianGuestOptions,
  onProgress: OnGuestProgress,
): Promise<string> {
  const { signal } = options;
  const apt: PrivateApt = await openPrivateApt({
    directory: join(base, "apt"),
    tools,
    mirror: options.mirror,
    signal,
    onProgress,
  });
  await apt.update();
  const packages = await apt.resolve([...recipe.ROOT_PACKAGES, recipe.KERNEL_PACKAGE, recipe.INITRD_PACKAGE]);
  const digest = inputDigest(size, packages);
  await apt.download(packages);

  const work = join(base, `work-${process.pid}`);
  const finished = join(work, "guest");
  try {
    await mkdir(finished, { recursive: true });
    const { kernelRelease, time, extents } = await composeGuest({
      packages,
      fileOf: apt.fileOf,
      work,
      finished,
      size,
      digest,
      tools,
      signal,
      onProgress,
    });
    onProgress({ step: "checksum", message: "taking checksums" });
    const manifest: GuestManifest = {
      format: 1,
      digest,
      suite: recipe.SUITE,
      architecture: recipe.ARCHITECTURE,
      kernelRelease,
      time,
      packages: packages.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
      artefacts: {
        kernel: await describeArtefact(finished, "vmlinux", { signal }),
        initrd: await describeArtefact(finished, "initrd.img", { signal }),
        root: await describeArtefact(finished, "root.ext4", { signal, extents }),
      },
    };
    await writeManifest(finished, manifest);
    await publish(finished, folderOf(base, digest), work);
    await markVerified(folderOf(base, digest), manifest);
    return digest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Puts a finished folder in place at once; one of the same inputs that was there goes with the work folder. */
async function publish(finished: string, folder: string, work: string): Promise<void> {
  await mkdir(join(folder, ".."), { recursive: true });
  await rename(folder, join(work, "replaced")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(finished, folder);
}

/** Work folders of builds that were killed; the lock says that none is under way. */
async function removeLeftovers(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    if (name.startsWith("work-") || name.startsWith("lock.")) {
      await rm(join(base, name), { recursive: true, force: true });
    }
  }
}

function inputDigest(size: number, packages: readonly ArchivePackage[]): string {
  return sha256Text(
    JSON.stringify([
      recipeDigest(size),
      packages.map(({ name, version, sha256 }) => [name, version, sha256]),
    ]),
  );
}

function folderOf(base: string, digest: string): string {
  return join(base, "guests", digest.slice(0, 16));
}

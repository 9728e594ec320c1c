import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BlockBackend } from "@isomorph/interface";
import { openFile } from "@isomorph/storage/node/file";
import { overlay } from "@isomorph/storage/overlay";
import { CommandError } from "../command/failure.ts";
import type { Progress } from "../command/progress.ts";
import { copyGuestRoot, type DebianGuest } from "../guest/debian.ts";
import { acquireLock } from "../guest/lock.ts";
import { hostReason } from "../machine/files.ts";

/** A guest with its disk open. */
export interface OpenGuest {
  /** Paths of the images. */
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: BlockBackend;
  /** Release of the kernel. */
  readonly version: string;
}

/** What a store says of its guest, in `guest.json`. */
interface StoredGuest {
  readonly format: 1;
  readonly version: string;
  /** Digest of the built guest that it is a copy of. */
  readonly digest: string;
}

const FILES = { kernel: "vmlinux", initrd: "initrd.img", root: "root.ext4" } as const;
const DESCRIPTION = "guest.json";

/** What {@link openPersistentGuest} is told. */
export interface PersistentGuestOptions {
  readonly folder: string;
  /** Start over from the pristine system. */
  readonly fresh: boolean;
  /** Gives the pristine guest; asked only when there is none in the folder. */
  readonly provide: () => Promise<DebianGuest>;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the guest whose disk persists, made at the first start as a copy of the pristine one: with its kernel and
 * initrd, since the modules on the disk go with that kernel. Whoever has the disk open keeps others from it.
 */
export async function openPersistentGuest(options: PersistentGuestOptions): Promise<OpenGuest> {
  const { folder, fresh, progress, signal } = options;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new CommandError(`the folder ${folder} cannot be made: ${hostReason(error)}`, { cause: error });
  });
  const release = await acquireLock(join(folder, "lock"), {
    signal,
    onWait: (pid) => progress.update("wait", `waiting for process ${pid}, which sets up the guest's disk`),
  });
  try {
    let stored = await describe(folder, fresh);
    if (stored === undefined || fresh) {
      const root = join(folder, FILES.root);
      // Nobody's running guest loses its disk.
      if (stored !== undefined) await (await openRoot(root)).close();
      stored = await install(await options.provide(), options);
    }
    const disk = await openRoot(join(folder, FILES.root));
    return {
      kernel: join(folder, FILES.kernel),
      initrd: join(folder, FILES.initrd),
      disk,
      version: stored.version,
    };
  } finally {
    progress.clear();
    await release();
  }
}

/** The pristine guest with a disk whose changes go to memory and end with the machine. */
export async function openEphemeralGuest(guest: DebianGuest): Promise<OpenGuest> {
  const { kernel, initrd, version } = guest;
  return { kernel, initrd, version, disk: overlay(await openFile(guest.root, { readOnly: true })) };
}

async function openRoot(path: string): Promise<BlockBackend> {
  try {
    return await openFile(path);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== "ERR_DISK_LOCKED") throw new CommandError(`the guest's disk: ${message}`, { cause: error });
    const advice =
      "is another `isomorph start` running? End that one first (poweroff in it), " +
      "or add --ephemeral for a second guest whose changes are not kept";
    throw new CommandError(`the guest's disk: ${message}; ${advice}`, { cause: error });
  }
}

/** @param lenient - A guest with a missing file counts as none, instead of failing. */
async function describe(folder: string, lenient: boolean): Promise<StoredGuest | undefined> {
  const text = await readFile(join(folder, DESCRIPTION), "utf8").catch(() => "");
  let value: Partial<StoredGuest> | null;
  try {
    value = JSON.parse(text) as Partial<StoredGuest> | null;
  } catch {
    return undefined;
  }
  if (value?.format !== 1 || typeof value.version !== "string" || typeof value.digest !== "string")
    return undefined;
  for (const name of Object.values(FILES)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found === undefined) {
      if (lenient) return undefined;
      throw new CommandError(
        `${join(folder, name)} is missing; --fresh makes a new disk from the pristine system`,
      );
    }
  }
  return value as StoredGuest;
}

/** Copies a guest into the folder. The description goes first and comes last: without it there is no guest. */
async function install(guest: DebianGuest, options: PersistentGuestOptions): Promise<StoredGuest> {
  const { folder, progress, signal } = options;
  const fresh = join(folder, "new");
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);
  progress.say(`making the guest's disk: ${join(folder, FILES.root)}`);
  await copyGuestRoot(guest, join(fresh, FILES.root), signal);
  await copyFile(guest.kernel, join(fresh, FILES.kernel));
  await copyFile(guest.initrd, join(fresh, FILES.initrd));
  const stored: StoredGuest = { format: 1, version: guest.version, digest: guest.digest };
  await writeFile(join(fresh, DESCRIPTION), `${JSON.stringify(stored)}\n`);
  await rm(join(folder, DESCRIPTION), { force: true });
  for (const name of [...Object.values(FILES), DESCRIPTION]) {
    await chmod(join(fresh, name), 0o644);
    await rename(join(fresh, name), join(folder, name));
  }
  await rm(fresh, { recursive: true, force: true });
  return stored;
}

import { copyFile, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CommandError, UsageError } from "./command/failure.ts";
import { createProgress } from "./command/progress.ts";
import { buildDebianGuest, copyGuestRoot, type DebianGuest } from "./guest/debian.ts";
import { errorCode } from "./guest/errors.ts";
import { hostReason } from "./machine/files.ts";
import { cacheFolder } from "./start/folders.ts";
import { provideGuest } from "./start/guest-files.ts";

/** The options of `isomorph guest build`. */
export interface GuestBuildOptions {
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly verify?: boolean | undefined;
}

/** `isomorph guest build`. */
export async function guestBuildCommand(system: string, options: GuestBuildOptions): Promise<number> {
  checkSystem(system);
  const progress = createProgress(process.stderr);
  const controller = new AbortController();
  const abort = (signal: NodeJS.Signals): void => {
    const exitCode = signal === "SIGINT" ? 130 : 143;
    controller.abort(
      new CommandError(`stopped by ${signal}; the next build goes on from here`, { exitCode }),
    );
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, abort);
  try {
    const { force, verify, output } = options;
    const { signal } = controller;
    const guest = await provideGuest({ cacheDir: cacheFolder(), force, verify, signal }, progress);
    print(output === undefined ? guest : await copyGuest(guest, output, signal));
    return 0;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, abort);
  }
}

/** `isomorph guest path`. */
export async function guestPathCommand(system: string): Promise<number> {
  checkSystem(system);
  try {
    // With no tools to build with, what is in the cache is all that there can be.
    print(await buildDebianGuest({ cacheDir: cacheFolder(), toolPath: [] }));
    return 0;
  } catch (error) {
    if (errorCode(error) !== "ERR_GUEST_TOOL_MISSING") throw error;
    throw new CommandError("there is no built guest yet: isomorph guest build debian makes one", {
      cause: error,
    });
  }
}

function checkSystem(system: string): void {
  if (system !== "debian") throw new UsageError(`there is no guest "${system}" to build; there is: debian`);
}

/** The images of a guest, by their paths. */
type GuestPaths = Pick<DebianGuest, "kernel" | "initrd" | "root">;

function print({ kernel, initrd, root }: GuestPaths): void {
  process.stdout.write(`${kernel}\n${initrd}\n${root}\n`);
}

async function copyGuest(guest: DebianGuest, folder: string, signal: AbortSignal): Promise<GuestPaths> {
  const target = resolve(folder);
  const copies = {
    kernel: join(target, "vmlinux"),
    initrd: join(target, "initrd.img"),
    root: join(target, "root.ext4"),
  };
  try {
    await mkdir(target, { recursive: true });
    await copyFile(guest.kernel, copies.kernel);
    await copyFile(guest.initrd, copies.initrd);
    await copyGuestRoot(guest, copies.root, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (errorCode(error) === "EEXIST") {
      const advice = "it may hold someone's changes, so it is left alone: remove it, or give another folder";
      throw new CommandError(`--output: ${copies.root} exists already; ${advice}`, { cause: error });
    }
    throw new CommandError(`--output ${folder}: ${hostReason(error)}`, { cause: error });
  }
  return copies;
}

import type { ImageSource } from "@isomorph/hypervisor";
import { CommandError, UsageError } from "../command/failure.ts";
import { createProgress, type Progress } from "../command/progress.ts";
import type { DebianGuest } from "../guest/debian.ts";
import { openImage, readImage } from "../machine/files.ts";
import { runSession, type SessionMode } from "../machine/session.ts";
import { openSight, type SightOptions } from "../sight/sight.ts";
import { keyName } from "../terminal/escape-keys.ts";
import { cacheFolder, dataFolder, translationsCache } from "./folders.ts";
import { provideGuest } from "./guest-files.ts";
import { type OpenGuest, openEphemeralGuest, openPersistentGuest } from "./store.ts";
import { TranslationsCache } from "./translations-cache.ts";

/** The options of `isomorph start`. */
export interface StartOptions extends SightOptions {
  readonly exec?: string | undefined;
  readonly systemd?: boolean | undefined;
  readonly fresh?: boolean | undefined;
  readonly ephemeral?: boolean | undefined;
  readonly memory: number;
  readonly harts: number;
  readonly threads?: boolean | undefined;
  readonly append?: string | undefined;
  readonly escape: number | undefined;
  readonly timeout?: number | undefined;
  readonly verbose?: boolean | undefined;
  readonly stats?: boolean | undefined;
}

const GUEST = "Debian 13";

/**
 * The kernel's command line. The self-tests of its ciphers are left out: they are most of what a boot computes. Where
 * the console is not what a person looks at, the kernel prints what matters only.
 */
const CMDLINE = "root=/dev/vda rw console=ttyS0 cryptomgr.notests";

/** `isomorph start`. */
export async function startCommand(options: StartOptions): Promise<number> {
  if (options.fresh === true && options.ephemeral === true) {
    throw new UsageError(
      "--fresh remakes the persistent disk and --ephemeral does not use it: give one of them",
    );
  }
  if (options.systemd === true && options.exec !== undefined) {
    throw new UsageError("--exec runs its command without systemd: leave --systemd out");
  }
  const isInteractive = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const verbose = options.verbose ?? false;
  // Beside a command's own output only failures are worth a line, unless a person watches.
  const progress = createProgress(process.stderr, { quiet: options.exec !== undefined && !verbose });
  const mode = modeOf(options, isInteractive);
  const sight = await openSight(options);
  const guest = await openGuest(options, progress);
  const { memory, harts, threads } = options;
  const quiet = mode.kind === "terminal" || mode.kind === "pipe" || verbose ? "" : " quiet";
  const append = options.append === undefined ? "" : ` ${options.append}`;
  const isFeeding = mode.kind === "command" && options.exec === undefined;
  let kernel: ImageSource;
  let initrd: ImageSource;
  try {
    // A profile takes the kernel's names from its image.
    const open = options.profile === undefined ? openImage : readImage;
    kernel = await open(guest.kernel, "the guest's kernel", memory);
    initrd = await openImage(guest.initrd, "the guest's initrd", memory);
  } catch (error) {
    await guest.disk.close();
    throw error;
  }
  const cache = await TranslationsCache.open(translationsCache());
  const exitCode = await runSession({
    machine: {
      translations: cache.translations,
      reviewTranslations: cache.reviewTranslations,
      kernel,
      initrd,
      memory,
      harts,
      threads,
      cmdline: `${CMDLINE}${quiet}${append}`,
      hasRng: options.systemd === true,
    },
    disks: [guest.disk],
    mode,
    guestName: GUEST,
    timeout: options.timeout,
    verbose,
    stats: options.stats ?? false,
    sight: cache.keep(sight),
    progress,
    onup: (seconds) => {
      const up = `${GUEST} is up after ${seconds.toFixed(1)} s (Linux ${guest.version})`;
      if (mode.kind === "shell") {
        const help = options.escape === undefined ? "" : `, ${keyName(options.escape)} h helps`;
        progress.say(`${up}; poweroff leaves${help}`);
      } else if (isFeeding) progress.say(`${up}; its shell reads standard input`);
    },
    oninputend: (bytes) => {
      if (isFeeding)
        progress.say(`standard input has ended after ${bytes} bytes; powering off when the shell is done`);
    },
  });
  if (isFeeding || isInteractive) progress.say("powered off");
  return exitCode;
}

function modeOf(options: StartOptions, isInteractive: boolean): SessionMode {
  const escapeKey = options.escape;
  if (options.exec !== undefined) return { kind: "command", command: options.exec };
  if (options.systemd === true) {
    return isInteractive
      ? { kind: "terminal", device: "serial", escapeKey }
      : { kind: "pipe", device: "serial" };
  }
  return isInteractive ? { kind: "shell", escapeKey } : { kind: "command", command: 'exec "$SHELL" -l' };
}

async function openGuest(options: StartOptions, progress: Progress): Promise<OpenGuest> {
  const controller = new AbortController();
  const abort = (signal: NodeJS.Signals): void => {
    const exitCode = signal === "SIGINT" ? 130 : 143;
    controller.abort(
      new CommandError(`stopped by ${signal}; the next start goes on from here`, { exitCode }),
    );
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, abort);
  const { signal } = controller;
  const provide = (): Promise<DebianGuest> => provideGuest({ cacheDir: cacheFolder(), signal }, progress);
  try {
    if (options.ephemeral === true) return await openEphemeralGuest(await provide());
    const fresh = options.fresh ?? false;
    return await openPersistentGuest({ folder: dataFolder(), fresh, provide, progress, signal });
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, abort);
  }
}

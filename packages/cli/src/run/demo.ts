import { memoryDisk } from "@isomorph/storage/memory";
import { CommandError } from "../command/failure.ts";
import { createProgress } from "../command/progress.ts";
import { demoDisk, demoKernel, demoStarts } from "../demo/index.ts";
import { runSession } from "../machine/session.ts";
import { openSight } from "../sight/sight.ts";
import { givenTranslations } from "../translate/translations-file.ts";
import type { RunCommandOptions } from "./options.ts";

/** The built-in guest with a disk in memory. Fails unless the disk shows that the guest was there. */
export async function runDemo(options: RunCommandOptions): Promise<number> {
  const { memory, threads, clock, rngSeed, translateAfter, timeout, escape: escapeKey, tty } = options;
  const disk = demoDisk();
  const isTerminal = tty && process.stdin.isTTY === true && process.stdout.isTTY === true;
  const exitCode = await runSession({
    machine: {
      ...{ kernel: demoKernel(), memory, threads, clock, rngSeed, transport: "mmio" },
      translationThreshold: translateAfter,
      translations: await givenTranslations(options.translations),
    },
    disks: [memoryDisk({ bytes: disk })],
    mode: isTerminal ? { kind: "terminal", device: "serial", escapeKey } : { kind: "pipe", device: "serial" },
    guestName: "the built-in guest",
    timeout,
    verbose: options.verbose ?? false,
    stats: options.stats ?? false,
    sight: await openSight(options),
    noReboot: true,
    progress: createProgress(process.stderr, { quiet: true }),
  });
  if (exitCode === 0 && demoStarts(disk) !== 1) {
    throw new CommandError("the built-in guest has ended without writing to its disk");
  }
  return exitCode;
}

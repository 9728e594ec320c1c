import { writeFile } from "node:fs/promises";
import { type HtifSymbols, htifSymbols, signatureText } from "@isomorph/hypervisor";
import { CommandError, guestExitCode } from "../command/failure.ts";
import { createProgress } from "../command/progress.ts";
import { hostReason, readImage } from "../machine/files.ts";
import { buildMachine } from "../machine/machine.ts";
import { Supervisor } from "../machine/run-machine.ts";
import { statsText } from "../machine/stats.ts";
import { openSight } from "../sight/sight.ts";
import { givenTranslations } from "../translate/translations-file.ts";
import { imageErrors } from "./image-errors.ts";
import type { RunCommandOptions } from "./options.ts";

/**
 * Runs a test program by the conventions of riscv-tests and riscv-arch-test: an ELF file that starts in M-mode, ends by a
 * write to `tohost` and leaves a signature between `begin_signature` and `end_signature`.
 *
 * @returns what the program gave to `tohost`: 0 for a pass, the number of the failed test for a failure.
 */
export async function runTestProgram(path: string, options: RunCommandOptions): Promise<number> {
  const { memory, harts, threads, clock, rngSeed, signature } = options;
  const startedAt = performance.now();
  const firmware = await readImage(path, "test program", memory);
  const symbols = await imageErrors(readSymbols(firmware), { firmware: path });
  if (symbols === undefined) {
    throw new CommandError(
      `${path}: has no symbol tohost, by which --htif learns of the end; build it with the test environment's linker script`,
    );
  }
  if (signature !== undefined && symbols.signature === undefined) {
    throw new CommandError(
      `${path}: has no begin_signature and end_signature, so there is no --signature to dump`,
    );
  }
  const sight = await openSight(options);
  const building = buildMachine({
    ...{ firmware, memory, harts, threads, clock, rngSeed },
    translationThreshold: options.translateAfter,
    translations: await givenTranslations(options.translations),
    onReset: "return",
    htif: {
      tohost: symbols.tohost,
      fromhost: symbols.fromhost,
      onconsole: (bytes) => void process.stdout.write(bytes),
    },
  });
  const { vm, serial } = await imageErrors(building, { firmware: path });
  serial.ontransmit = (bytes) => void process.stdout.write(bytes);
  sight?.begin(vm);
  try {
    const progress = createProgress(process.stderr, { quiet: true });
    const outcome = await new Supervisor({ vm, timeout: options.timeout, progress }).run();
    if (outcome.reason === "crashed") throw new CommandError(`${path}: has crashed: ${outcome.detail}`);
    if (outcome.reason !== "power-off") {
      throw new CommandError(`${path}: has ended by ${outcome.reason}, not through tohost`);
    }
    if (signature !== undefined && symbols.signature !== undefined) {
      const text = signatureText(vm.memory, symbols.signature, options.signatureGranularity);
      await writeFile(signature, text).catch((error: unknown) => {
        throw new CommandError(`--signature ${signature}: ${hostReason(error)}`, { cause: error });
      });
    }
    const exitCode = guestExitCode(outcome.code);
    // Test environments report unexpected traps by numbers that an exit code has no room for.
    if (outcome.code !== 0 && (options.verbose === true || exitCode !== outcome.code)) {
      progress.say(`${path}: failed with code ${outcome.code}`);
    }
    return exitCode;
  } finally {
    if (options.stats === true) process.stderr.write(statsText(vm, startedAt));
    await sight?.end(vm);
    await vm.close();
  }
}

async function readSymbols(elf: Uint8Array): Promise<HtifSymbols | undefined> {
  return htifSymbols(elf);
}

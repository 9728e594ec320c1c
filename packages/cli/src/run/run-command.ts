import type { ImageSource } from "@isomorph/hypervisor";
import type { BlockBackend } from "@isomorph/interface";
import { UsageError } from "../command/failure.ts";
import { createProgress } from "../command/progress.ts";
import { closeDisks, openDisk } from "../machine/disks.ts";
import { openImage, readImage } from "../machine/files.ts";
import type { MachineConfig } from "../machine/machine.ts";
import { runSession, type SessionEnd, type SessionMode } from "../machine/session.ts";
import { openSight, type Sight } from "../sight/sight.ts";
import { givenTranslations } from "../translate/translations-file.ts";
import { runDemo } from "./demo.ts";
import { imageErrors } from "./image-errors.ts";
import type { RunCommandOptions } from "./options.ts";
import { runTestProgram } from "./test-program.ts";

/** What the built-in guest and test programs ask for. */
type ModeOptions = Pick<RunCommandOptions, "demo" | "htif" | "signature">;
type ImageRunOptions = Omit<RunCommandOptions, keyof ModeOptions | "signatureGranularity" | "translations">;

/** `isomorph run`. @param program - The ELF file that was given without an option. */
export async function runCommand(program: string | undefined, options: RunCommandOptions): Promise<number> {
  checkCombination(program, options);
  if (options.demo === true) return runDemo(options);
  if (options.htif === true && program !== undefined) return runTestProgram(program, options);
  const translations = await givenTranslations(options.translations);
  return runImages(program, options, { translations, sight: await openSight(options) });
}

/** What {@link runImages} needs besides options. */
interface RunExtras {
  readonly translations: Uint8Array | undefined;
  readonly sight: Sight | undefined;
  readonly end?: SessionEnd;
}

/** Runs a machine from images of the command line. */
export async function runImages(
  program: string | undefined,
  options: ImageRunOptions,
  { translations, sight, end }: RunExtras,
): Promise<number> {
  const { memory, harts, threads, transport, clock, rngSeed } = options;
  const paths = { kernel: options.kernel ?? program, initrd: options.initrd, firmware: options.firmware };
  // A profile takes the names of code from the images.
  const open = options.profile === undefined ? openImage : readImage;
  const image = async (option: string, path: string | undefined): Promise<ImageSource | undefined> =>
    path === undefined ? undefined : open(path, option, memory);
  const kernel = await image(options.kernel === undefined ? "kernel" : "--kernel", paths.kernel);
  const initrd = await image("--initrd", paths.initrd);
  const firmware = await image("--firmware", paths.firmware);
  const disks: BlockBackend[] = [];
  try {
    for (const spec of options.disk) disks.push(await openDisk(spec));
  } catch (error) {
    await closeDisks(disks);
    throw error;
  }
  const machine: MachineConfig = {
    ...{ kernel, initrd, firmware, memory, harts, threads, transport, clock, rngSeed },
    cmdline: options.append ?? defaultCommandLine(options),
    hasNet: options.net === "loopback-hub",
    hasRng: true,
    translationThreshold: options.translateAfter,
    translations,
  };
  const session = runSession({
    machine,
    disks,
    mode: modeOf(options),
    guestName: "the guest",
    timeout: options.timeout,
    verbose: options.verbose ?? false,
    stats: options.stats ?? false,
    sight,
    noReboot: !options.reboot,
    end,
    progress: createProgress(process.stderr, { quiet: options.verbose !== true }),
  });
  return imageErrors(session, paths);
}

function modeOf(options: ImageRunOptions): SessionMode {
  const { console: device, escape: escapeKey, tty, exec } = options;
  if (exec !== undefined) return { kind: "command", command: exec };
  const isTerminal = tty && process.stdin.isTTY === true && process.stdout.isTTY === true;
  return isTerminal ? { kind: "terminal", device, escapeKey } : { kind: "pipe", device };
}

/** What a kernel is told when `--append` is not given. */
function defaultCommandLine({ console: device, disk, kernel }: ImageRunOptions): string {
  if (kernel === undefined) return "";
  const root = disk[0];
  const mode = root?.readOnly === true ? "ro" : "rw";
  return `console=${device === "virtio" ? "hvc0" : "ttyS0"}${root === undefined ? "" : ` root=/dev/vda ${mode}`}`;
}

/** Throws a {@link UsageError} for options that do not go together. */
export function checkCombination(program: string | undefined, options: ImageRunOptions & ModeOptions): void {
  if (options.threads === true && options.clock === "instructions") {
    throw new UsageError("--threads lets processors run at once, which --clock instructions cannot repeat");
  }
  const { kernel, firmware, initrd, demo, htif, signature, exec, disk } = options;
  const given = Object.entries({
    "--kernel": kernel,
    "--firmware": firmware,
    "--initrd": initrd,
    "--exec": exec,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (demo === true) {
    if (program !== undefined) given.push(program);
    if (disk.length > 0) given.push("--disk");
    if (given.length > 0)
      throw new UsageError(`--demo brings its own guest and disk: leave out ${given.join(" and ")}`);
    return;
  }
  if (signature !== undefined && htif !== true) {
    throw new UsageError("--signature dumps what a test program left: it needs --htif");
  }
  if (htif === true) {
    if (program === undefined)
      throw new UsageError("--htif runs a test program: give its ELF file as the argument");
    if (given.length > 0)
      throw new UsageError(`--htif runs the ELF file alone: leave out ${given.join(" and ")}`);
    return;
  }
  if (program !== undefined && kernel !== undefined) {
    throw new UsageError(`two kernels are given: --kernel ${kernel} and ${program}`);
  }
  if (program === undefined && kernel === undefined && firmware === undefined) {
    throw new UsageError(
      "nothing to run: give --kernel FILE, --firmware FILE or an ELF file; or --demo for the built-in guest",
    );
  }
  if (initrd !== undefined && kernel === undefined && program === undefined) {
    throw new UsageError("--initrd needs a kernel that reads it: give --kernel FILE");
  }
  if (exec !== undefined && kernel === undefined) {
    throw new UsageError("--exec runs a command in a Linux guest: give --kernel FILE");
  }
}

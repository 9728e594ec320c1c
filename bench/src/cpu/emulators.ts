import { mkdtemp, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "../benchmark.ts";
import { isomorph } from "../programs.ts";
import { bundleWorker } from "./chromium/bundle.ts";
import type { Architecture } from "./compile.ts";
import { kernelWithInitrd } from "./kernel-with-initrd.ts";
import { tinyemuFirmware } from "./tinyemu-machine.ts";

/** What an emulator is told to boot. */
export interface BootImages {
  readonly kernel: string;
  readonly initrd: string;
  /** OpenSBI or a BIOS, for those who bring no firmware. */
  readonly firmware: string;
  /** The kernel's command line but for its console. */
  readonly append: string;
  /** A folder for files that the emulator needs besides; taken away afterwards. */
  readonly folder: string;
}

/** One of those who are measured: a machine of one hart and 1 GiB on standard input and output. */
export interface Emulator {
  /** As in `--emulators NAME`. */
  readonly name: string;
  /** The head of its column. */
  readonly title: string;
  /** What is run: found through PATH unless it holds a slash. */
  readonly program: string;
  /** Ours elsewhere: its ratio is told the other way round, as what it gives of what ours gives. */
  readonly isOurs?: boolean;
  /** Which guest it boots; RISC-V's unless given. */
  readonly architecture?: Architecture;
  /** Called before each run. */
  command(images: BootImages): Promise<Command>;
}

/** Which guest an emulator boots. */
export function architectureOf({ architecture = "riscv64" }: Emulator): Architecture {
  return architecture;
}

const UART = "console=ttyS0";
const chromiumMain = fileURLToPath(new URL("chromium/main.ts", import.meta.url));
const v86Main = fileURLToPath(new URL("v86/main.ts", import.meta.url));

/** The name of ours among the emulators. */
export const OURS = "isomorph";

/** Ours, as this repository's build has left it; or by a command that takes the same arguments. */
export function ours(command?: string): Emulator {
  const words = command?.split(/\s+/).filter(Boolean) ?? [];
  return {
    name: OURS,
    title: "isomorph",
    program: words[0] ?? process.execPath,
    command: async ({ kernel, initrd, append }) => {
      const machine = ["run", "--no-tty", "--memory", "1G", "--kernel", kernel, "--initrd", initrd];
      const argv = [...machine, "--append", `${UART} ${append}`];
      return words.length === 0 ? isomorph(argv) : { argv: [...words, ...argv] };
    },
  };
}

/** Ours in a worker of a headless Chromium, with the browser's processes counted. */
export function chromium(program = "chromium"): Emulator {
  return {
    name: "chromium",
    title: "isomorph in Chromium",
    program,
    isOurs: true,
    command: async ({ kernel, initrd, append, folder }) => {
      const worker = await bundleWorker(folder);
      const profile = await mkdtemp(join(folder, "profile-"));
      const bridge = [process.execPath, "--conditions=@isomorph/source", chromiumMain, program];
      return { argv: [...bridge, worker, profile, String(2 ** 30), kernel, initrd, `${UART} ${append}`] };
    },
  };
}

/** QEMU's translator, from Debian's qemu-system-misc unless a program is given. */
export function qemu(program = "qemu-system-riscv64"): Emulator {
  return {
    name: "qemu",
    title: "QEMU TCG",
    program,
    command: async ({ kernel, initrd, append }) => {
      const machine = [program, "-M", "virt", "-accel", "tcg", "-smp", "1", "-m", "1G", "-no-reboot"];
      const streams = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
      const images = ["-kernel", kernel, "-initrd", initrd, "-append", `${UART} ${append}`];
      return { argv: [...machine, ...streams, ...images] };
    },
  };
}

/** RVVM, which translates to native code. It loads a kernel, but no initrd. */
export function rvvm(program: string): Emulator {
  return {
    name: "rvvm",
    title: "RVVM",
    program,
    command: async ({ kernel, initrd, firmware, append, folder }) => {
      const { image, option } = await kernelWithInitrd(kernel, initrd, folder);
      const machine = [program, firmware, "-m", "1G", "-smp", "1", "-nogui", "-nonet", "-k", image];
      return { argv: [...machine, "-cmdline", `${UART} ${option} ${append}`] };
    },
  };
}

/** TinyEMU, an interpreter, with firmware of ours: no other that boots today's kernels runs on it. */
export function tinyemu(program: string): Emulator {
  return {
    name: "tinyemu",
    title: "TinyEMU",
    program,
    command: async ({ kernel, initrd, append, folder }) => {
      const { image, option } = await kernelWithInitrd(kernel, initrd, folder);
      const console = "earlycon=sbi console=hvc0";
      const bios = await tinyemuFirmware(`${console} ${option} ${append}`, folder);
      const config = join(folder, `tinyemu-${basename(initrd)}.cfg`);
      const machine = { version: 1, machine: "riscv64", memory_size: 1024, bios, kernel: image };
      const entries = Object.entries(machine).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
      await writeFile(config, `{ ${entries.join(", ")} }\n`);
      return { argv: [program, config] };
    },
  };
}

/** v86 under this Node, a PC of 32 bits. @param module - The folder of its npm package, or a built checkout. */
export function v86(module: string): Emulator {
  return {
    name: "v86",
    title: "v86",
    program: process.execPath,
    architecture: "i386",
    command: async ({ kernel, initrd, firmware, append }) => {
      const images = [firmware, kernel, initrd, `${UART} ${append}`];
      return { argv: [process.execPath, v86Main, module, ...images] };
    },
  };
}

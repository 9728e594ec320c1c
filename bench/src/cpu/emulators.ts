import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Command } from "../benchmark.ts";
import { isomorph } from "../programs.ts";
import { kernelWithInitrd } from "./kernel-with-initrd.ts";
import { tinyemuFirmware } from "./tinyemu-machine.ts";

/** What an emulator is told to boot. */
export interface BootImages {
  readonly kernel: string;
  readonly initrd: string;
  /** OpenSBI, for those who bring no firmware. */
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
  /** Called before each run. */
  command(images: BootImages): Promise<Command>;
}

const UART = "console=ttyS0";

/** Ours, from this repository's source; or by a command that takes the same arguments. */
export function ours(command?: string): Emulator {
  const words = command?.split(/\s+/).filter(Boolean) ?? [];
  return {
    name: "isomorph",
    title: "isomorph",
    program: words[0] ?? process.execPath,
    command: async ({ kernel, initrd, append }) => {
      const machine = ["run", "--no-tty", "--memory", "1G", "--kernel", kernel, "--initrd", initrd];
      const argv = [...machine, "--append", `${UART} ${append}`];
      return words.length === 0 ? isomorph(argv) : { argv: [...words, ...argv] };
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

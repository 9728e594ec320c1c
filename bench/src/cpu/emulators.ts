import type { Command } from "../benchmark.ts";
import { isomorph } from "../programs.ts";

/** What an emulator is told to boot. */
export interface BootImages {
  readonly kernel: string;
  readonly initrd: string;
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
  /** Called before each run. */
  command(images: BootImages): Promise<Command>;
}

const UART = "console=ttyS0";

/** Ours, from this repository's source; or by a command that takes the same arguments. */
export function ours(command?: string): Emulator {
  return {
    name: "isomorph",
    title: "isomorph",
    command: async ({ kernel, initrd, append }) => {
      const machine = ["run", "--no-tty", "--memory", "1G", "--kernel", kernel, "--initrd", initrd];
      const argv = [...machine, "--append", `${UART} ${append}`];
      if (command === undefined) return isomorph(argv);
      return { argv: [...command.split(/\s+/).filter(Boolean), ...argv] };
    },
  };
}

/** QEMU's translator, from Debian's qemu-system-misc unless a program is given. */
export function qemu(program = "qemu-system-riscv64"): Emulator {
  return {
    name: "qemu",
    title: "QEMU TCG",
    command: async ({ kernel, initrd, append }) => {
      const machine = [program, "-M", "virt", "-accel", "tcg", "-smp", "1", "-m", "1G", "-no-reboot"];
      const streams = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
      const images = ["-kernel", kernel, "-initrd", initrd, "-append", `${UART} ${append}`];
      return { argv: [...machine, ...streams, ...images] };
    },
  };
}

import { Command, Option } from "commander";
import type { DisasmOptions } from "../disasm/disasm-command.ts";
import type { GuestBuildOptions } from "../guest-command.ts";
import type { RunCommandOptions } from "../run/options.ts";
import type { StartOptions } from "../start/start-command.ts";
import type { TranslateOptions } from "../translate/translate-command.ts";
import {
  integer,
  parseAddress,
  parseCountersFile,
  parseDisk,
  parseEscapeKey,
  parseMemory,
  parseSeconds,
  parseSeed,
  parseSymbols,
  repeated,
} from "./values.ts";

const MIB = 2 ** 20;

/** The command line of `isomorph`. What a command needs is loaded when it runs. `finish` gets the exit code of whatever was run. */
export function createProgram(version: string, finish: (exitCode: number) => void): Command {
  const program = new Command("isomorph")
    .description("Virtual machines for TypeScript: 64-bit RISC-V computers that boot unmodified Debian.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [COMMAND]", "print help about a command")
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "isomorph: ")),
    })
    .showHelpAfterError("(--help shows what there is)")
    .exitOverride();
  program.addCommand(startProgram(finish).copyInheritedSettings(program), { isDefault: false });
  program.addCommand(runProgram(finish).copyInheritedSettings(program));
  program.addCommand(translateProgram(finish).copyInheritedSettings(program));
  program.addCommand(disasmProgram(finish).copyInheritedSettings(program));
  program.addCommand(guestProgram(finish, program));
  return program;
}

const memoryOption = (): Option =>
  new Option("-m, --memory <size>", "memory of the machine").argParser(parseMemory).default(1024 * MIB, "1G");
const hartsOption = (): Option =>
  new Option("--harts <n>", "processors of the machine, 1 to 8").argParser(integer(1, 8)).default(1);
const threadsOption = (): Option =>
  new Option("--threads", "run each processor in a thread of its own, at once (default: in turns on one)");
const escapeOption = (): Option =>
  new Option("--escape <key>", "key before commands to the terminal, or none")
    .argParser(parseEscapeKey)
    .default(1, "^A");
const timeoutOption = (): Option =>
  new Option("--timeout <seconds>", "stop the machine after so long, with exit code 124").argParser(
    parseSeconds,
  );
const verboseOption = (): Option =>
  new Option("-v, --verbose", "show the kernel's messages and more about errors");
const statsOption = (): Option =>
  new Option("--stats", "print times and counters to standard error at the end, one a line");
const countersOption = (): Option =>
  new Option(
    "--counters [file.json]",
    "print what the machine counted as a table with units to standard error at the end, or write it to FILE.json",
  ).argParser(parseCountersFile);
const profileOption = (): Option =>
  new Option(
    "--profile <file>",
    "sample the guest's call stacks: folded stacks into FILE.folded or FILE.txt, else a Chrome .cpuprofile",
  );
const symbolsOption = (): Option =>
  new Option(
    "--symbols <file>",
    "names for --profile: ELF[@ADDRESS], Linux Image, System.map or /proc/kallsyms; may be repeated",
  )
    .argParser(repeated(parseSymbols))
    .default([], "the kernel's own");

function startProgram(finish: (exitCode: number) => void): Command {
  return new Command("start")
    .summary("boot Debian 13 to a shell")
    .description(
      "Boots Debian 13 for riscv64 on a disk of its own that persists. The first start builds the guest from Debian's\n" +
        "packages. Without a terminal its shell reads standard input, and the machine is switched off at its end.",
    )
    .addOption(
      new Option("--exec <command>", "run COMMAND in the guest instead, and exit with its exit code"),
    )
    .addOption(new Option("--systemd", "boot with systemd to a login prompt (root, no password)"))
    .addOption(new Option("--fresh", "start over with a new disk; everything on the old one is lost"))
    .addOption(new Option("--ephemeral", "use a pristine disk whose changes are not kept"))
    .addOption(memoryOption())
    .addOption(hartsOption())
    .addOption(threadsOption())
    .addOption(new Option("--append <text>", "more for the kernel's command line"))
    .addOption(escapeOption())
    .addOption(timeoutOption())
    .addOption(verboseOption())
    .addOption(statsOption())
    .addOption(countersOption())
    .addOption(profileOption())
    .addOption(symbolsOption())
    .addHelpText(
      "after",
      `
In the terminal:
  poweroff   in the guest, leaves      Ctrl-A x   leaves as well
  Ctrl-A h   shows the keys            Ctrl-A a   is Ctrl-A for the guest

The disk is \${XDG_DATA_HOME:-~/.local/share}/isomorph/debian/root.ext4, what is built is kept in
\${XDG_CACHE_HOME:-~/.cache}/isomorph.

Examples:
  isomorph start
  isomorph start --exec 'python3 -V'
  isomorph start --exec 'cat >/root/data' <data
  isomorph start --profile boot.cpuprofile --exec true
  echo 'uname -a' | isomorph start`,
    )
    .allowExcessArguments(false)
    .action(async (options: StartOptions) => {
      const { startCommand } = await import("../start/start-command.ts");
      finish(await startCommand(options));
    });
}

/** What a machine runs, for commands that take any. */
function addImageOptions(command: Command): Command {
  return command
    .optionsGroup("What it runs:")
    .addOption(new Option("-k, --kernel <file>", "a Linux Image or ELF file, also compressed with gzip"))
    .addOption(new Option("-i, --initrd <file>", "initial RAM disk"))
    .addOption(
      new Option(
        "-a, --append <text>",
        "the kernel's command line (default: console=ttyS0, with a disk also root=/dev/vda rw)",
      ),
    )
    .addOption(
      new Option(
        "-f, --firmware <file>",
        "M-mode firmware such as OpenSBI's fw_dynamic.bin (default: built in)",
      ),
    );
}

/** The machine, for commands that take any. */
function addMachineOptions(command: Command): Command {
  return command
    .optionsGroup("The machine:")
    .addOption(
      new Option("-d, --disk <file>", "a raw disk image: FILE[,readonly][,overlay]; may be repeated")
        .argParser(repeated(parseDisk))
        .default([], "none"),
    )
    .addOption(memoryOption())
    .addOption(hartsOption())
    .addOption(threadsOption())
    .addOption(
      new Option("--transport <bus>", "how virtio devices are attached")
        .choices(["pci", "mmio"])
        .default("pci"),
    )
    .addOption(
      new Option(
        "--console <device>",
        "the console: a serial port (ttyS0) or virtio (hvc0, knows the terminal's size)",
      )
        .choices(["serial", "virtio"])
        .default("serial"),
    )
    .addOption(
      new Option("--net <network>", "a network card at nothing but an empty hub")
        .choices(["none", "loopback-hub"])
        .default("none"),
    )
    .addOption(
      new Option(
        "--clock <source>",
        "time as on the host, or made of instructions: then runs can be repeated exactly",
      )
        .choices(["host", "instructions"])
        .default("host"),
    )
    .addOption(new Option("--rng-seed <hex>", "seed of the guest's random numbers").argParser(parseSeed))
    .addOption(
      new Option("--translate-after <n>", "translate code that ran so often; 0 only interprets").argParser(
        integer(0, 2 ** 31 - 1),
      ),
    );
}

/** How a machine is used, for commands that take any. */
function addUseOptions(command: Command): Command {
  return command
    .optionsGroup("How it is used:")
    .addOption(
      new Option(
        "-e, --exec <command>",
        "run COMMAND as the guest's only program, and exit with its exit code",
      ),
    )
    .addOption(new Option("--no-tty", "the standard streams as they are, also at a terminal"))
    .addOption(new Option("--no-reboot", "end when the guest asks for a reset"))
    .addOption(escapeOption())
    .addOption(timeoutOption())
    .addOption(verboseOption())
    .addOption(statsOption())
    .addOption(countersOption())
    .addOption(profileOption())
    .addOption(symbolsOption());
}

function runProgram(finish: (exitCode: number) => void): Command {
  const command = new Command("run")
    .summary("run a machine from a kernel, firmware, disks of your own")
    .description("Runs a machine. Its console is the terminal, or the standard streams.")
    .argument("[ELF]", "a program to run: in S-mode as a kernel; with --htif a test program in M-mode");
  addImageOptions(command)
    .addOption(new Option("--demo", "the built-in guest: console, timer, interrupts and a disk"))
    .addOption(
      new Option("--htif", "end by tohost, with its code as exit code, as RISC-V's test programs do"),
    )
    .addOption(new Option("--signature <file>", "with --htif: write the test signature to FILE"))
    .addOption(
      new Option("--signature-granularity <n>", "bytes in a line of the signature: 1, 2, 4, 8 or 16")
        .choices(["1", "2", "4", "8", "16"])
        .default("4"),
    );
  addMachineOptions(command).addOption(
    new Option(
      "--translations <file>",
      "what isomorph translate has learned: known code is translated early",
    ),
  );
  return addUseOptions(command)
    .addHelpText(
      "after",
      `
Without a terminal standard input is typed at the console, its end as Ctrl-D. --exec is the dependable way to run
something: it goes through channels of its own, and needs Linux with virtio (Debian's has it) and a root file system
or initrd with sh, mount, cat, mkfifo, setsid and sleep.

The console on a serial port does not know the terminal's size: run "stty rows R cols C" in the guest.

Examples:
  isomorph run --demo
  isomorph run --kernel vmlinux --initrd initrd.img --disk root.ext4,overlay
  isomorph run --kernel vmlinux --initrd initrd.img --disk root.ext4,overlay --exec 'uname -a'
  isomorph run --htif --signature out.sig rv64ui-p-add`,
    )
    .allowExcessArguments(false)
    .action(async (program: string | undefined, parsed: Parsed) => {
      const signatureGranularity = Number(parsed.signatureGranularity) as 1 | 2 | 4 | 8 | 16;
      const { runCommand } = await import("../run/run-command.ts");
      finish(await runCommand(program, { ...parsed, signatureGranularity }));
    });
}

function translateProgram(finish: (exitCode: number) => void): Command {
  const command = new Command("translate")
    .summary("learn ahead of time what code of a machine to translate")
    .description(
      'Runs a machine as "isomorph run" does, and writes what code was worth translating to FILE. With\n' +
        '"isomorph run --translations FILE" the same code, in whatever machine, is then translated when it is reached a\n' +
        "few hundred times rather than 3000 times. Where FILE is there already, it is used and what is new is added to it.",
    )
    .argument("[ELF]", "a program to run in S-mode, as a kernel")
    .requiredOption("-o, --output <file>", "where to write what was learned, or to add it")
    .optionsGroup("How long (by default until the guest switches itself off; Ctrl-C writes what there is):")
    .addOption(new Option("--until <text>", "until the console shows TEXT"))
    .addOption(new Option("--for <seconds>", "for so long").argParser(parseSeconds))
    .addOption(
      new Option("--instructions <n>", "for so many instructions of all processors").argParser(
        integer(1, Number.MAX_SAFE_INTEGER),
      ),
    );
  addImageOptions(command);
  addMachineOptions(command);
  return addUseOptions(command)
    .addHelpText(
      "after",
      `
What is learned is a matter of speed only: it holds hashes of pages and places in them, no code, and a wrong or
old FILE changes nothing that a guest can see.

Examples:
  isomorph translate -o boot.translations --until 'login:' --kernel vmlinux --disk root.ext4,overlay
  isomorph translate -o boot.translations --kernel vmlinux --initrd initrd.img --disk root.ext4,overlay --exec 'python3 -V'
  isomorph run --translations boot.translations --kernel vmlinux --disk root.ext4,overlay`,
    )
    .allowExcessArguments(false)
    .action(async (program: string | undefined, options: TranslateOptions) => {
      const { translateCommand } = await import("../translate/translate-command.ts");
      finish(await translateCommand(program, options));
    });
}

/** As commander gives them: choices are strings. */
type Parsed = Omit<RunCommandOptions, "signatureGranularity"> & { readonly signatureGranularity: string };

function disasmProgram(finish: (exitCode: number) => void): Command {
  const address = (flags: string, description: string): Option =>
    new Option(flags, description).argParser(parseAddress);
  return new Command("disasm")
    .summary("disassemble a program or kernel")
    .description(
      "Disassembles RISC-V code: one line for each instruction with its address, its bytes and its text, labels at symbols.\n" +
        "Of an ELF file the executable sections, of a Linux Image (also compressed with gzip) the kernel's text.",
    )
    .argument("<file>", "an ELF64 file, a Linux Image, or with --origin any file")
    .addOption(new Option("--symbol <name>", "the code of this symbol alone"))
    .addOption(address("--start <address>", "the code from this address on"))
    .addOption(address("--stop <address>", "the code below this address"))
    .addOption(address("--origin <address>", "take the file as raw code for this address"))
    .addHelpText(
      "after",
      `
Examples:
  isomorph disasm program
  isomorph disasm vmlinux --symbol do_idle
  isomorph disasm fw_jump.bin --origin 0x80000000 --stop 0x80000100`,
    )
    .allowExcessArguments(false)
    .action(async (file: string, options: DisasmOptions) => {
      const { disasmCommand } = await import("../disasm/disasm-command.ts");
      finish(await disasmCommand(file, options));
    });
}

function guestProgram(finish: (exitCode: number) => void, parent: Command): Command {
  const guest = new Command("guest")
    .summary("build guests")
    .description("Builds guests and says where they are.");
  guest.copyInheritedSettings(parent);
  guest.addCommand(
    new Command("build")
      .copyInheritedSettings(parent)
      .summary("build a guest from its distribution's packages")
      .description(
        "Builds kernel, initrd and root disk from Debian's packages, through an apt of its own: nothing of the host's is\n" +
          "changed and no privilege is needed. What is there already is checked and not built again.",
      )
      .argument("<system>", "debian: Debian 13 for riscv64")
      .addOption(new Option("-o, --output <dir>", "put copies of the files there as well"))
      .addOption(new Option("--force", "build anew with the archive's current packages"))
      .addOption(new Option("--verify", "read every byte of a guest that is there"))
      .allowExcessArguments(false)
      .action(async (system: string, options: GuestBuildOptions) => {
        const { guestBuildCommand } = await import("../guest-command.ts");
        finish(await guestBuildCommand(system, options));
      }),
  );
  guest.addCommand(
    new Command("path")
      .copyInheritedSettings(parent)
      .summary("print where the built guest's files are")
      .description("Prints the paths of kernel, initrd and root disk, one a line; builds nothing.")
      .argument("[system]", "debian", "debian")
      .allowExcessArguments(false)
      .action(async (system: string) => {
        const { guestPathCommand } = await import("../guest-command.ts");
        finish(await guestPathCommand(system));
      }),
  );
  return guest;
}

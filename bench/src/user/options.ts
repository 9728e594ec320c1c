import { parseArgs } from "node:util";
import type { GenuineSources } from "../cpu/compile.ts";
import { TableUsageError } from "../cpu/options.ts";
import { type UserProgram, userPrograms } from "./programs.ts";

/** What `npm run bench -- user` is told. */
export interface UserTableOptions {
  readonly programs: readonly UserProgram[];
  readonly rounds: number;
  /** The peer's program. */
  readonly qemu: string;
  readonly genuine: GenuineSources;
}

/** What `--help` says. */
export const userHelp: string = `usage: npm run bench -- user [OPTION]...

Static programs for Linux on riscv64, run in user mode with memory of their own: user CPU time of the whole process,
start and translation included, against that of qemu-riscv64, both on one CPU. The packages are built first.

  --program NAME[,NAME]...  these only
  --rounds N                rounds, in which each runs once, after one that does not count (default 5)
  --qemu PROGRAM            instead of qemu-riscv64; also QEMU_USER
  --coremark DIR            CoreMark from this checkout of it, instead of a program like it; also COREMARK
  --dhrystone DIR           the same for Dhrystone 2.1; also DHRYSTONE
  --help                    this

programs: ${userPrograms.map(({ name }) => name).join(" ")}
`;

const settings = {
  program: { type: "string" },
  rounds: { type: "string", default: "5" },
  qemu: { type: "string" },
  coremark: { type: "string" },
  dhrystone: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/**
 * Reads the command line; `undefined` when it asks for help.
 *
 * @throws TableUsageError
 */
export function parseUserOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): UserTableOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TableUsageError(`--rounds must be a positive number, not ${values.rounds}`);
  }
  return {
    programs: choose(values.program),
    rounds,
    qemu: values.qemu ?? (env.QEMU_USER || "qemu-riscv64"),
    genuine: {
      coremark: values.coremark ?? (env.COREMARK || undefined),
      dhrystone: values.dhrystone ?? (env.DHRYSTONE || undefined),
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: settings, strict: true }).values;
  } catch (error) {
    throw new TableUsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function choose(list: string | undefined): readonly UserProgram[] {
  if (list === undefined) return userPrograms;
  const wanted = list.split(",").filter(Boolean);
  const unknown = wanted.filter((name) => !userPrograms.some((program) => program.name === name));
  if (unknown.length > 0 || wanted.length === 0) {
    const known = userPrograms.map(({ name }) => name).join(", ");
    throw new TableUsageError(`no program ${unknown.join(", ") || "was named"}; there are ${known}`);
  }
  return userPrograms.filter(({ name }) => wanted.includes(name));
}

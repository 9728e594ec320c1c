import { parseArgs } from "node:util";
import type { GenuineSources } from "./compile.ts";
import { type Row, rows } from "./rows.ts";

/** What `npm run bench -- cpu` is told. */
export interface TableOptions {
  readonly rows: readonly Row[];
  readonly rounds: number;
  /** Names of the emulators, ours included; all that are given when undefined. */
  readonly emulators?: readonly string[] | undefined;
  /** A command line that is run instead of this repository's `isomorph`. */
  readonly ours?: string | undefined;
  readonly qemu?: string | undefined;
  /** The browser, when it is given; it also takes part when {@link emulators} names it. */
  readonly chromium?: string | undefined;
  /** Programs of peers that take part when they are given. */
  readonly rvvm?: string | undefined;
  readonly tinyemu?: string | undefined;
  /** The folder of v86's npm package, or of a built checkout. */
  readonly v86?: string | undefined;
  readonly genuine: GenuineSources;
  /** A Markdown file that takes the table. */
  readonly write?: string | undefined;
  /** Copies the consoles to standard error. */
  readonly verbose: boolean;
}

/** A command line that can't be; the message is for whoever typed it. */
export class TableUsageError extends Error {}

/** What `--help` says. */
export const help: string = `usage: npm run bench -- cpu [OPTION]...

The peer table: how much guest work an emulator does in a second of its user CPU time, for the same Debian kernel,
programs, command line and amounts of work, on one hart with 1 GiB. Each emulator has one CPU, the same for all.

  --row NAME[,NAME]...        these rows only
  --rounds N                  rounds; each emulator runs once in each, in turn (default 5)
  --emulators NAME[,NAME]...  these only; isomorph alone is measured without a ratio
  --ours COMMAND              instead of this checkout's isomorph, which is built first; also ISOMORPH_CLI
  --chromium PROGRAM          adds isomorph in this headless Chromium; also CHROMIUM, or chromium among --emulators for
                              the one that Debian installs. Its ratio is to isomorph in Node: 1 is as fast
  --qemu PROGRAM              instead of qemu-system-riscv64; also QEMU
  --rvvm PROGRAM              adds RVVM; also RVVM
  --tinyemu PROGRAM           adds TinyEMU (its temu); also TINYEMU
  --v86 DIR                   adds v86, from its npm package or a built checkout; also V86. It is a PC of 32 bits: the
                              programs are the same, compiled for that, under Debian 12's kernel
  --coremark DIR              builds and runs CoreMark from this checkout of it; also COREMARK
  --dhrystone DIR             the same for Dhrystone 2.1; also DHRYSTONE
  --write FILE                puts the table into a Markdown file, between its markers
  --verbose                   shows the consoles
  --help                      this

rows: ${rows.map(({ name }) => name).join(" ")}
`;

const settings = {
  row: { type: "string" },
  rounds: { type: "string", default: "5" },
  emulators: { type: "string" },
  ours: { type: "string" },
  chromium: { type: "string" },
  qemu: { type: "string" },
  rvvm: { type: "string" },
  tinyemu: { type: "string" },
  v86: { type: "string" },
  coremark: { type: "string" },
  dhrystone: { type: "string" },
  write: { type: "string" },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/**
 * Reads the command line; `undefined` when it asks for help.
 *
 * @throws TableUsageError
 */
export function parseTableOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): TableOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new TableUsageError(`--rounds must be a positive number, not ${values.rounds}`);
  const given = (name: string): string | undefined => env[name] || undefined;
  return {
    rows: chooseRows(values.row),
    rounds,
    emulators: names(values.emulators),
    ours: values.ours ?? given("ISOMORPH_CLI"),
    chromium: values.chromium ?? given("CHROMIUM"),
    qemu: values.qemu ?? given("QEMU"),
    rvvm: values.rvvm ?? given("RVVM"),
    tinyemu: values.tinyemu ?? given("TINYEMU"),
    v86: values.v86 ?? given("V86"),
    genuine: {
      coremark: values.coremark ?? given("COREMARK"),
      dhrystone: values.dhrystone ?? given("DHRYSTONE"),
    },
    write: values.write,
    verbose: values.verbose,
  };
}

/** The values as they were typed. */
function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: settings, strict: true }).values;
  } catch (error) {
    throw new TableUsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function names(list: string | undefined): string[] | undefined {
  return list?.split(",").filter(Boolean);
}

function chooseRows(list: string | undefined): readonly Row[] {
  const wanted = names(list);
  if (wanted === undefined) return rows;
  const known = rows.map(({ name }) => name);
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0 || wanted.length === 0) {
    throw new TableUsageError(
      `no row ${unknown.join(", ") || "was named"}; the rows are ${known.join(", ")}`,
    );
  }
  return rows.filter(({ name }) => wanted.includes(name));
}

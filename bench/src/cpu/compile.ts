import { execFile as execFileWithCallback } from "node:child_process";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { rows } from "./rows.ts";

const execFile = promisify(execFileWithCallback);

/** Folder of the guest's programs in C, its scripts and its init. */
export const guestSources: string = fileURLToPath(new URL("../../guests/cpu", import.meta.url));

/** What the programs are compiled for. */
export interface Target {
  /** The compiler, by its Debian name. */
  readonly compiler: string;
  readonly options: readonly string[];
  /** The Debian packages of the compiler and of its C library. */
  readonly packages: readonly [compiler: string, library: string];
}

/** By Debian's names. */
export type Architecture = "riscv64" | "i386";

/** What the programs are compiled for on each. */
export const targets: Readonly<Record<Architecture, Target>> = {
  riscv64: {
    compiler: "riscv64-linux-gnu-gcc",
    options: [],
    packages: ["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
  },
  // Without SSE2 doubles would be computed with the 80 bits of the x87.
  i386: {
    compiler: "i686-linux-gnu-gcc",
    options: ["-msse2", "-mfpmath=sse"],
    packages: ["gcc-i686-linux-gnu", "libc6-dev-i386-cross"],
  },
};

/** Where the sources of benchmarks are that can't be in this repository. */
export interface GenuineSources {
  /** A checkout of CoreMark: `core_main.c` and its siblings, and the port in `posix`. */
  readonly coremark?: string | undefined;
  /** A folder with Dhrystone 2.1: `dhry_1.c`, `dhry_2.c` and `dhry.h`. */
  readonly dhrystone?: string | undefined;
}

/**
 * Compiles the guest's programs, static and with `-O2`, into a folder.
 *
 * @returns the names of the programs.
 * @throws Error when the compiler is not there, saying which package brings it, or refuses, with what it says.
 */
export async function compileGuestPrograms(
  folder: string,
  genuine: GenuineSources,
  target: Target = targets.riscv64,
): Promise<string[]> {
  const sources = (await readdir(guestSources)).filter((name) => name.endsWith(".c")).sort();
  const programs = sources.map((name) => basename(name, ".c"));
  for (const name of programs) {
    await compile(target, join(folder, name), ["-Wall", "-Wextra", join(guestSources, `${name}.c`), "-lm"]);
  }
  const runs = rows.find(({ name }) => name === "dhrystone")!.work * 1000;
  for (const { name, args } of genuinePrograms(genuine, runs)) {
    await compile(target, join(folder, name), args);
    programs.push(name);
  }
  return programs;
}

/** A benchmark that is not in this repository, and the compiler's arguments for it. */
interface GenuineProgram {
  readonly name: "coremark" | "dhrystone";
  readonly args: readonly string[];
}

/**
 * Those whose sources are given.
 *
 * @param dhrystoneRuns - How often Dhrystone runs: some versions of it take no argument.
 */
export function genuinePrograms(
  { coremark, dhrystone }: GenuineSources,
  dhrystoneRuns: number,
): GenuineProgram[] {
  const programs: GenuineProgram[] = [];
  if (coremark !== undefined) {
    const at = (name: string): string => join(coremark, name);
    const parts = ["core_list_join", "core_main", "core_matrix", "core_state", "core_util"];
    programs.push({
      name: "coremark",
      args: [
        '-DFLAGS_STR="-O2"',
        "-DPERFORMANCE_RUN=1",
        `-I${coremark}`,
        `-I${at("posix")}`,
        ...parts.map((part) => at(`${part}.c`)),
        at("posix/core_portme.c"),
      ],
    });
  }
  if (dhrystone !== undefined) {
    const at = (name: string): string => join(dhrystone, name);
    // Written in C as it was before prototypes. Its main returns nothing, which is success since C99.
    const dialect = [
      "-std=gnu99",
      "-fcommon",
      "-w",
      "-Wno-implicit-int",
      "-Wno-implicit-function-declaration",
    ];
    const runs = ["-DTIME", `-DDHRY_ITERS=${dhrystoneRuns}`];
    programs.push({ name: "dhrystone", args: [...dialect, ...runs, at("dhry_1.c"), at("dhry_2.c")] });
  }
  return programs;
}

/**
 * Compiles one static program with `-O2`.
 *
 * @throws Error when the compiler is not there, saying which package brings it, or refuses, with what it says.
 */
export async function compile(
  { compiler, options, packages }: Target,
  output: string,
  args: readonly string[],
): Promise<void> {
  try {
    await execFile(compiler, ["-O2", "-static", "-s", ...options, "-o", output, ...args]);
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === "ENOENT") {
      throw new Error(
        `the guest's programs need a compiler, ${compiler}, which this host lacks. On Debian and its relatives: ` +
          `apt-get install ${packages.join(" ")}`,
        { cause },
      );
    }
    const hint = /fatal error: .*\.h: No such file|cannot find (-lc|crt1\.o)/.test(stderr ?? "")
      ? `\n(its C library's headers are in ${packages[1]})`
      : "";
    throw new Error(`${compiler} could not build ${basename(output)}:\n${stderr ?? String(cause)}${hint}`, {
      cause,
    });
  }
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { engineFlags } from "../../../packages/cli/src/engine.ts";
import { buildWhatIsMeasured } from "../build.ts";
import { compile, genuinePrograms, targets } from "../cpu/compile.ts";
import { TableUsageError } from "../cpu/options.ts";
import { hasProgram, requireSources } from "../cpu/require.ts";
import { geometricMean, textTable } from "../cpu/table.ts";
import { onOneCpu } from "../one-cpu.ts";
import { runPaired } from "../paired.ts";
import type { UserTableOptions } from "./options.ts";

const guests = fileURLToPath(new URL("../../guests", import.meta.url));
const runner = fileURLToPath(new URL("./run-program.ts", import.meta.url));

const DHRYSTONE_RUNS = 60_000_000;

/** Seconds after which a run has failed. */
const LIMIT = 300;

/**
 * Measures the programs and gives the table as text.
 *
 * @param tell - Receives the progress, line by line.
 * @throws TableUsageError when something that was given is not there, Error when a program fails.
 */
export async function runUserTable(options: UserTableOptions, tell: (line: string) => void): Promise<string> {
  const { programs, rounds, qemu, genuine } = options;
  if (!hasProgram(qemu)) {
    const advice = "on Debian and its relatives: apt-get install qemu-user";
    throw new TableUsageError(`there is no program ${qemu} (${advice})`);
  }
  requireSources(genuine);
  await buildWhatIsMeasured(tell);
  const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
  try {
    const cells = [["", "", "isomorph", "qemu-riscv64", "ratio"]];
    const ratios: number[] = [];
    const given = genuinePrograms(genuine, DHRYSTONE_RUNS);
    for (const { name, source, args, genuineArgs = args } of programs) {
      const found = given.find((program) => program.name === name);
      const title = found === undefined && source.includes("-like") ? `${name}-like` : name;
      const output = join(folder, name);
      const command = [output, ...(found === undefined ? args : genuineArgs)];
      const outcome = await runPaired(
        {
          name: title,
          peer: "qemu-riscv64",
          description: title,
          metric: "user",
          rounds,
          limit: LIMIT,
          prepare: () => compile(targets.riscv64, output, found?.args ?? [join(guests, source), "-lm"]),
          // As the command has it. What is measured is the processor: the engine need not compile its JavaScript each
          // time. Without the condition that names the sources, the packages are the built ones.
          ours: () => ({
            argv: onOneCpu([process.execPath, ...engineFlags(), runner, ...command]),
            env: { NODE_COMPILE_CACHE: join(folder, "cache") },
          }),
          theirs: () => ({ argv: onOneCpu([qemu, ...command]) }),
        },
        (line) => tell(`${title} ${line}`),
      );
      ratios.push(outcome.ratio);
      cells.push([
        title,
        "s",
        outcome.ours.user.toFixed(2),
        outcome.theirs.user.toFixed(2),
        outcome.ratio.toFixed(2),
      ]);
    }
    cells.push(["geometric mean", "", "", "", geometricMean(ratios).toFixed(2)]);
    return textTable(cells);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

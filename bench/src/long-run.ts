import { parseArgs } from "node:util";
import { setUpEngine } from "../../packages/cli/src/engine.ts";
import { cacheFolder } from "../../packages/cli/src/start/folders.ts";
import { buildLongRunGuest } from "./long-run/guest.ts";
import { differenceOf, type LongRun, longRun } from "./long-run/run.ts";

const STEPS = "sqlite,python,compile,more";

const HELP = `usage: npm run bench -- long-run [--thresholds 0,3000,50] [--steps NAMES] [--scale N] [--limit SECONDS] [--quiet]

Boots Debian, compiles C programs with its gcc and executes them, runs a part of Python's test suite and loads SQLite,
with time made of instructions: once for each threshold of translation (0 only interprets). Console, instruction count
and all of RAM must be the same each time. Steps: ${STEPS}. The scale, 1 by default, multiplies what is executed and loaded; the limit holds for one run.
`;

/** The line that the guest ends with when nothing has failed in it. */
const GOOD_END = "== long run: 0 steps failed";

/** `npm run bench -- long-run`. @returns the exit code. */
export async function longRunCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      thresholds: { type: "string", default: "0,3000,50" },
      steps: { type: "string", default: STEPS },
      scale: { type: "string", default: "1" },
      limit: { type: "string", default: "7200" },
      quiet: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const thresholds = values.thresholds.split(",").map(Number);
  const [scale, seconds] = [Number(values.scale), Number(values.limit)];
  if (!(Number.isInteger(scale) && scale > 0 && seconds > 0 && /^[a-z,]+$/.test(values.steps))) {
    process.stderr.write(HELP);
    return 2;
  }
  setUpEngine();
  const guest = await buildLongRunGuest(cacheFolder(), scale, (line) => console.log(line));
  let first: { readonly name: string; readonly run: LongRun } | undefined;
  for (const threshold of thresholds) {
    const name = threshold === 0 ? "interpreted" : `translated after ${threshold}`;
    const run = await longRun(guest, { threshold, scale, steps: values.steps, seconds }, (line) => {
      if (first === undefined && !values.quiet) console.log(line);
    });
    const share = ((100 * run.inRegions) / run.instructions).toFixed(1);
    const speed = (run.instructions / run.userSeconds / 1e6).toFixed(0);
    console.log(
      `${name}: ${run.outcome}, ${run.lines.length} lines, ${run.instructions} instructions (${share}% translated), ` +
        `RAM ${run.memory.slice(0, 16)}, ${run.seconds.toFixed(0)} s, ` +
        `${run.userSeconds.toFixed(0)} s of user CPU time, ${speed} MIPS of it`,
    );
    const difference = first && differenceOf(first.run, run, [first.name, name]);
    if (difference !== undefined) {
      console.error(difference);
      return 1;
    }
    if (!run.lines.includes(GOOD_END)) {
      console.error(`the guest did not end well; its last lines:\n${run.lines.slice(-20).join("\n")}`);
      return 1;
    }
    first ??= { name, run };
  }
  return 0;
}

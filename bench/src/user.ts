import { cpus } from "node:os";
import { TableUsageError } from "./cpu/options.ts";
import { parseUserOptions, userHelp } from "./user/options.ts";
import { runUserTable } from "./user/run-table.ts";

/** `npm run bench -- user`. @returns the exit code. */
export async function userCommand(args: readonly string[]): Promise<number> {
  try {
    const options = parseUserOptions(args, process.env);
    if (options === undefined) {
      process.stdout.write(userHelp);
      return 0;
    }
    console.log(`${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}`);
    const table = await runUserTable(options, (line) => console.log(line));
    console.log(`user CPU seconds of whole processes, medians of ${options.rounds} rounds`);
    console.log(table);
    return 0;
  } catch (error) {
    console.error(`isomorph: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof TableUsageError ? 2 : 1;
  }
}

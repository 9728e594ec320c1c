import { help, parseTableOptions, TableUsageError } from "./options.ts";
import { runTable } from "./run-table.ts";

/** `npm run bench -- cpu`. @returns the exit code. */
export async function cpuCommand(args: readonly string[]): Promise<number> {
  try {
    const options = parseTableOptions(args, process.env);
    if (options === undefined) {
      process.stdout.write(help);
      return 0;
    }
    await runTable(options, (line) => console.log(line));
    return 0;
  } catch (error) {
    console.error(`isomorph: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof TableUsageError ? 2 : 1;
  }
}

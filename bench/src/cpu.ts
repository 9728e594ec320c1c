import { help, parseTableOptions, TableUsageError } from "./cpu/options.ts";
import { runTable } from "./cpu/run-table.ts";
import { tableCells, textTable } from "./cpu/table.ts";
import { roundsTold, tableSection, writeTable } from "./cpu/write-table.ts";

/** `npm run bench -- cpu`. @returns the exit code. */
export async function cpuCommand(args: readonly string[]): Promise<number> {
  try {
    const options = parseTableOptions(args, process.env);
    if (options === undefined) {
      process.stdout.write(help);
      return 0;
    }
    const { table, origin } = await runTable(options, (line) => console.log(line));
    console.log(`guest work per second of user CPU time, ${roundsTold(options.rounds)}`);
    console.log(textTable(tableCells(table)));
    if (options.write !== undefined) writeTable(options.write, tableSection(table, origin));
    return 0;
  } catch (error) {
    console.error(`isomorph: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof TableUsageError ? 2 : 1;
  }
}

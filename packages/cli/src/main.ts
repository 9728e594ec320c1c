/**
 * The entry of the `isomorph` command.
 *
 * @packageDocumentation
 */
import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { describeFailure, EXIT, exitCodeOf } from "./command/failure.ts";
import { createProgram } from "./command/program.ts";
import { setUpEngine } from "./engine.ts";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

setUpEngine();

// A reader that has gone is no failure of its own; who writes to it notices where that matters.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

let exitCode: number = EXIT.OK;
try {
  const program = createProgram(manifest.version, (code) => {
    exitCode = code;
  });
  await program.parseAsync();
} catch (error) {
  exitCode = exitCodeOf(error);
  if (error instanceof CommanderError) {
    // It has said what is wrong, or printed the help that was asked for.
    if (exitCode !== EXIT.OK) exitCode = EXIT.USAGE;
  } else {
    const isVerbose = process.argv.includes("--verbose") || process.argv.includes("-v");
    process.stderr.write(`isomorph: ${describeFailure(error, isVerbose)}\n`);
  }
}
process.exitCode = exitCode;
// Standard input may still be open, and would keep the process waiting for what nobody will read.
process.stdin.destroy();

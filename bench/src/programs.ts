import { fileURLToPath } from "node:url";
import type { Command } from "./benchmark.ts";

const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** Our command line, run from source as `npm start` does. */
export function isomorph(argv: readonly string[]): Command {
  return { argv: [process.execPath, "--conditions=@isomorph/source", main, ...argv] };
}

import { fileURLToPath } from "node:url";
import type { Command } from "./benchmark.ts";

const main = fileURLToPath(new URL("../../packages/cli/bin/isomorph.js", import.meta.url));

/** Our command line as it is published, which is to be built before (build.ts). */
export function isomorph(argv: readonly string[]): Command {
  return { argv: [process.execPath, main, ...argv] };
}

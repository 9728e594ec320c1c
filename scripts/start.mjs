// `npm start [-- ARGUMENTS]`: sets the clone up, then hands its standard streams to the isomorph command.
import { join } from "node:path";
import { env, installWorkspace, node, root } from "./bootstrap.mjs";
import { run } from "./run.mjs";

try {
  installWorkspace();
  const main = join(root, "packages", "cli", "src", "main.ts");
  await run(node, ["--conditions=@isomorph/source", main, "start", ...process.argv.slice(2)], { env });
} catch (error) {
  process.stderr.write(`isomorph: ${error.message}\n`);
  process.exitCode = 1;
}

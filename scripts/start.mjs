// `npm start [-- ARGUMENTS]`: sets the clone up, then gives its standard streams to `isomorph start ARGUMENTS`.
import { join } from "node:path";
import { env, installWorkspace, node, root, say } from "./bootstrap.mjs";
import { run } from "./run.mjs";

try {
  installWorkspace();
  const main = join(root, "packages", "cli", "src", "main.ts");
  const args = ["--conditions=@isomorph/source", main, "start", ...process.argv.slice(2)];
  // npm changes into the root; files named in the arguments lie where the user is.
  await run(node, args, { cwd: process.env.INIT_CWD ?? process.cwd(), env });
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

// `npm test [-- VITEST ARGUMENTS]`: sets the clone up, judges included, then runs every test.
import { join } from "node:path";
import { env, installWorkspace, node, root } from "./bootstrap.mjs";
import { run } from "./run.mjs";

try {
  installWorkspace();
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  await run(node, [vitest, "run", ...process.argv.slice(2)], { cwd: root, env });
} catch (error) {
  process.stderr.write(`isomorph: ${error.message}\n`);
  process.stdout.write("0 passed, 1 failed, 0 skipped\n");
  process.exitCode = 1;
}

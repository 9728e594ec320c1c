// `npm test [-- VITEST ARGUMENTS]`: sets the clone up, judges included, runs every test and ends with the line
// `N passed, N failed, N skipped`, whatever happened before it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, installForTests, node, root, say } from "./bootstrap.mjs";
import { run } from "./run.mjs";

const scratch = mkdtempSync(join(tmpdir(), "isomorph-test-"));
const countFile = join(scratch, "count");
let last = "0 passed, 1 failed, 0 skipped";
try {
  installForTests();
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", ...process.argv.slice(2)];
  await run(node, args, { cwd: root, env: { ...env, ISOMORPH_COUNT_FILE: countFile } });
  last = readFileSync(countFile, "utf8");
} catch (error) {
  say(error.message);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (!/ 0 failed/.test(last)) process.exitCode ||= 1;
process.stdout.write(`${last}\n`);

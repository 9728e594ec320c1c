// `npm run bench`: the names of the benchmarks. `npm run bench -- NAME`: runs one, against its peer.
import { join } from "node:path";
import { env, installForTests, node, root, say } from "./bootstrap.mjs";
import { run } from "./run.mjs";

try {
  installForTests();
  const main = join(root, "bench", "src", "main.ts");
  await run(node, ["--conditions=@isomorph/source", main, ...process.argv.slice(2)], { cwd: root, env });
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

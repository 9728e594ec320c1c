/**
 * Runs the litmus tests with a thread for each hart, and prints how often each looked-for outcome came:
 *
 *     node --conditions=@isomorph/source packages/hypervisor/bench/litmus.ts [RUNS [NAME]]
 *
 * Ends with exit code 1 when an outcome came that the memory model forbids.
 */
import { nodeThreads } from "../src/node/index.ts";
import { LITMUS, runLitmus } from "../test/support/litmus.ts";

const [runs = "10000000", only] = process.argv.slice(2);
const threads = nodeThreads();
let failures = 0;
for (const litmus of LITMUS) {
  if (only !== undefined && litmus.name !== only) continue;
  const began = performance.now();
  const found = await runLitmus(litmus, { threads, runs: Number(runs) });
  const count = found.reduce((sum, { outcome, count: n }) => sum + (litmus.matches(outcome) ? n : 0), 0);
  if (litmus.verdict === "forbidden" && count > 0) failures++;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const outcomes = found.map(
    ({ outcome, count: n }) => `${outcome.r.join("")}:${outcome.x}${outcome.y}=${n}`,
  );
  console.log(
    `${litmus.name.padEnd(24)} ${litmus.verdict.padEnd(10)} seen ${count} (${seconds} s)  ${outcomes.join(" ")}`,
  );
}
process.exitCode = failures > 0 ? 1 : 0;

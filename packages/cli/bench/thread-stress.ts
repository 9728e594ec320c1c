/**
 * Runs the thread stress in Debian with a host thread for each processor:
 *
 *     node --conditions=@isomorph/source packages/cli/bench/thread-stress.ts [SECONDS [PROCESSORS]]
 *
 * Ends with the guest's exit code: 0 when nothing that must hold was broken and the kernel had nothing to complain of.
 */
import { rmSync } from "node:fs";
import { isomorph, scratch } from "../test/support/command.ts";
import { compileThreadStress, stressCommand } from "../test/support/thread-stress.ts";

const [seconds = "600", harts = "2"] = process.argv.slice(2);
const { folder } = scratch();
const input = await compileThreadStress(folder);
const { code, stdout, stderr } = await isomorph(
  ["start", "--ephemeral", "--threads", "--harts", harts, "--exec", stressCommand(Number(seconds))],
  { input, seconds: 2 * Number(seconds) + 300 },
);
process.stdout.write(stdout);
process.stderr.write(stderr);
rmSync(folder, { recursive: true, force: true });
process.exitCode = code ?? 1;

/** Debian on several processors, each in a thread of its own. */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isomorph, scratch } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";
import { compileThreadStress, stressCommand } from "./support/thread-stress.ts";

const { folder } = scratch();
let program: Uint8Array;

beforeAll(async () => {
  await debianGuest();
  program = await compileThreadStress(folder);
}, BUILD_SECONDS * 1000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.for([2, 4])(
  "with %i processors threads, processes and code that change together stay whole",
  { timeout: 400_000 },
  async (harts) => {
    const { code, stdout, stderr } = await isomorph(
      ["start", "--ephemeral", "--threads", "--harts", `${harts}`, "--exec", stressCommand(5)],
      { input: program, seconds: 300 },
    );
    expect(stderr).toBe("");
    const lines = stdout.toString().trim().split("\n");
    expect(lines[0]).toBe(`${harts}`);
    expect(lines.at(-1)).toBe("clean");
    expect(code).toBe(0);
  },
);

test("threads with repeatable time, and with a profile, are wrong command lines", async () => {
  for (const options of [
    ["run", "--demo", "--threads", "--clock", "instructions"],
    ["run", "--demo", "--threads", "--profile", "/dev/null"],
  ]) {
    const { code, stderr } = await isomorph(options);
    expect(code).toBe(2);
    expect(stderr).toContain("--threads");
  }
});

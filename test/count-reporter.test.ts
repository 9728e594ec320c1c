import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, runTool } from "./workspace.ts";

/** Runs Vitest on files of these texts; the exit code and the last line of what it says. */
async function lastLine(files: Record<string, string>): Promise<[number, string | undefined]> {
  const folder = mkdtempSync(join(tmpdir(), "isomorph-count-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const reporter = join(root, "scripts", "count-reporter.ts");
    const args = ["run", "--root", folder, "--globals", "--reporter", reporter];
    const { code, output } = await runTool("vitest", args, folder);
    return [code, output.trimEnd().split("\n").at(-1)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const passing = "test('passes', () => {});";

test("a run ends with its counts", async () => {
  expect(await lastLine({ "a.test.js": passing })).toEqual([0, "1 passed, 0 failed, 0 skipped"]);
});

test("a file that can't be imported and a stray error count as failures", async () => {
  const files = {
    "a.test.js": `${passing} test.skip('is skipped', () => {}); test('fails', () => { throw new Error('no'); });`,
    "b.test.js": "import './missing.js';",
    "c.test.js": `${passing} setTimeout(() => { throw new Error('stray'); }, 0);
      test('lasts', () => new Promise((resolve) => setTimeout(resolve, 100)));`,
  };
  expect(await lastLine(files)).toEqual([1, "3 passed, 3 failed, 1 skipped"]);
});

test("a run without tests has failed", async () => {
  expect(await lastLine({})).toEqual([1, "0 passed, 1 failed, 0 skipped"]);
});

/** The machine in a real Chromium, measured as every other: its console, its clocks, its errors. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cacheFolder } from "../../packages/cli/src/start/folders.ts";
import { chromium } from "../src/cpu/emulators.ts";
import { buildMeasuringGuest } from "../src/cpu/guest.ts";
import { runRound } from "../src/cpu/round.ts";
import { rows } from "../src/cpu/rows.ts";
import { runUntil } from "../src/cpu/session.ts";

const folder = mkdtempSync(join(tmpdir(), "isomorph-chromium-"));
// A browser that was ended may still be about to write into its profile.
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));

test("rows are asked for, done and measured as elsewhere", { timeout: 600_000 }, async () => {
  const guest = await buildMeasuringGuest({ cacheDir: cacheFolder(), folder, genuine: {}, tell: () => {} });
  const work: Readonly<Record<string, number>> = { "system-call": 3, pipe: 300, boot: 1 };
  const wanted = rows.filter(({ name }) => name in work).map((row) => ({ ...row, work: work[row.name]! }));
  const options = { rows: wanted, rounds: 1, genuine: {}, verbose: false };
  const results = new Map<string, string>();
  await runRound([chromium()], new Map([["riscv64", guest]]), folder, options, (_emulator, row, cost) => {
    results.set(row, cost.result);
    // The browser's processes are counted: the boot takes its time.
    if (row === "boot") expect(cost.user).toBeGreaterThan(1);
  });
  expect(Number(`0x${results.get("system-call")}`)).toBe(3000);
  expect(Number(`0x${results.get("pipe")}`)).toBe(300 & 0xff);
  expect(results.get("boot")).toBe("");
});

test("what goes wrong in the page, or with the browser, is told", async () => {
  const kernel = join(folder, "no-kernel");
  writeFileSync(kernel, "no kernel");
  const images = { kernel, initrd: kernel, firmware: "", append: "", folder };
  const failing = async (program?: string): Promise<unknown> =>
    runUntil({ command: await chromium(program).command(images), patience: 100 }, "boot", "as init process");
  await expect(failing()).rejects.toThrow(
    /row boot: the emulator ended[\s\S]*isomorph in Chromium: .*kernel/i,
  );
  await expect(failing("/nonexistent/chromium")).rejects.toThrow(/isomorph in Chromium: .*ENOENT/);
  await expect(failing("false")).rejects.toThrow(/isomorph in Chromium: it ended \(exit code 1\)/);
});

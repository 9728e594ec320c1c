/** The guest of the peer table does all of its rows: under QEMU, in the real thing, with little work each. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cacheFolder } from "../../packages/cli/src/start/folders.ts";
import { compileGuestPrograms } from "../src/cpu/compile.ts";
import { qemu } from "../src/cpu/emulators.ts";
import { buildMeasuringGuest } from "../src/cpu/guest.ts";
import { runRound } from "../src/cpu/round.ts";
import { rows } from "../src/cpu/rows.ts";

const folder = mkdtempSync(join(tmpdir(), "isomorph-bench-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As little as shows that the row works. */
const little: Readonly<Record<string, number>> = {
  coremark: 10,
  dhrystone: 10,
  memcpy: 8,
  triad: 24,
  double: 10,
  "pointer-chase": 10,
  "system-call": 3,
  pipe: 300,
  "page-fault": 5,
  "fork-exec": 3,
  "sha256-libcrypto": 2,
  "sha256-busybox": 4,
  gzip: 64,
  "python-start": 1,
  "python-loop": 1,
  boot: 1,
};

test("every row is done, with the result that its work has", { timeout: 900_000 }, async () => {
  const guest = await buildMeasuringGuest({ cacheDir: cacheFolder(), folder, genuine: {}, tell: () => {} });
  const results = new Map<string, string>();
  const options = {
    rows: rows.map((row) => ({ ...row, work: little[row.name] ?? 0 })),
    rounds: 1,
    genuine: {},
    verbose: false,
  };
  await runRound([qemu()], new Map([["riscv64", guest]]), folder, options, (_emulator, row, cost) => {
    expect(cost.wall).toBeGreaterThan(0);
    results.set(row, cost.result);
  });
  expect([...results.keys()].sort()).toEqual(rows.map(({ name }) => name).sort());

  const number = (row: string): number => Number(`0x${results.get(row)}`);
  expect(number("system-call")).toBe(3000);
  expect(number("pipe")).toBe(300 & 0xff);
  // 5000 pages make two rounds of 4096: the first byte of page 0, then that of page 1.
  expect(number("page-fault")).toBe(1);
  expect(number("fork-exec")).toBe(3 * 7);
  const mebibyte = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => i & 0xff));
  const sha256 = createHash("sha256").update(mebibyte).update(mebibyte).digest("hex");
  expect(results.get("sha256-libcrypto")).toBe(sha256);
  expect(results.get("sha256-busybox")).toMatch(/^[0-9a-f]{64} {2}\/tmp\/text$/);
  expect(JSON.parse(results.get("python-start") ?? "")).toMatchObject({
    day: "2025-08-09",
    parts: ["g", "uest"],
  });
});

test("a source that does not compile is an error that quotes the compiler", async () => {
  await expect(compileGuestPrograms(folder, { coremark: folder })).rejects.toThrow(
    /could not build coremark:[\s\S]*core_list_join\.c/,
  );
});

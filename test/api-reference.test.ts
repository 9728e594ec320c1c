import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildPackages } from "./build.ts";
import { runTool } from "./workspace.ts";

test("typedoc builds the API reference without a warning", { timeout: 300_000 }, async () => {
  const out = mkdtempSync(join(tmpdir(), "isomorph-docs-"));
  try {
    await buildPackages();
    const result = await runTool("typedoc", ["--treatWarningsAsErrors", "--out", out]);
    expect(result, result.output).toMatchObject({ code: 0 });
    expect(result.output).not.toMatch(/\bwarning\b/i);
    expect(existsSync(join(out, "index.html"))).toBe(true);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

/** The README's example of a profile: it runs, and prints what it says. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { compile } from "./support/compiled.ts";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

const KERNEL = `
  __attribute__((noinline)) void spin(void) { for (volatile int i = 0; i < 100000; i++); }
  void _start(void) { for (;;) spin(); }`;

test("the example of a profile does what it says", { timeout: 60_000 }, () => {
  const blocks = readFileSync(join(PACKAGE, "README.md"), "utf8").matchAll(/^```ts\n(.*?)^```$/gms);
  const example = [...blocks].map(([, code]) => code as string).find((code) => code.includes("vm.profile("));
  const promised = [...(example ?? "").matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
  expect(promised).toHaveLength(2);
  const folder = mkdtempSync(join(tmpdir(), "isomorph-profile-"));
  try {
    // The stack is wherever the kernel says; this one has none until it makes one.
    const source = KERNEL.replace("void _start(void) {", "void start(void) {");
    const entry =
      '__attribute__((naked)) void _start(void) { __asm__("la sp, _start; li t0, 0x100000; add sp, sp, t0; andi sp, sp, -16; li s0, 0; j start"); }';
    const { bytes } = compile(
      source + entry,
      ["-O1", "-fno-omit-frame-pointer", "-march=rv64gc"],
      0x8020_0000,
    );
    writeFileSync(join(folder, "kernel"), bytes);
    const program = `
      import { readFileSync } from "node:fs";
      process.chdir(${JSON.stringify(folder)});
      const kernel: Uint8Array = readFileSync("kernel");
      ${example}`;
    const args = ["--conditions=@isomorph/source", "--input-type=module-typescript", "--eval", program];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: PACKAGE, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.trimEnd().split("\n")).toEqual(promised);
    expect(readFileSync(join(folder, "guest.folded"), "utf8")).toMatch(/^kernel;start;spin \d+$/m);
    expect(JSON.parse(readFileSync(join(folder, "guest.cpuprofile"), "utf8")).nodes.length).toBeGreaterThan(
      3,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

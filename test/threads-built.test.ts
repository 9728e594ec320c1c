/** Harts in threads with the packages as they are published: a worker is a file of its own, found by its URL. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildPackages } from "./build.ts";
import { root, runTool } from "./workspace.ts";

const hypervisor = join(root, "packages", "hypervisor");

beforeAll(buildPackages, 300_000);

test("built packages run two harts in threads of Node", { timeout: 120_000 }, async () => {
  const program = `
    import { riscv64 } from "@isomorph/cpu";
    import { assemble } from "@isomorph/cpu/asm";
    import { createVm, linuxImage } from "@isomorph/hypervisor";
    import { nodeThreads } from "@isomorph/hypervisor/node";
    const source = \`
      li a7, 0x48534d; li a6, 0; li a0, 1; la a1, other; li a2, 0; ecall
      la t0, flag
      1: lw t1, 0(t0); beqz t1, 1b
      li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 0; ecall
      other: la t0, flag; li t1, 1; sw t1, 0(t0)
      2: wfi; j 2b
      .balign 4
      flag: .word 0\`;
    const kernel = linuxImage(assemble(source).bytes);
    const vm = await createVm({ cpu: riscv64(), harts: 2, memory: 16 << 20, kernel, threads: nodeThreads() });
    console.log(JSON.stringify(await vm.run({ signal: AbortSignal.timeout(60_000) })));
    await vm.close();`;
  const run = await runTool(process.execPath, ["--input-type=module", "--eval", program], hypervisor);
  expect(run, run.output).toMatchObject({ code: 0 });
  expect(run.output.trim()).toBe('{"reason":"power-off","code":0}');
});

test("bundlers find the browser's worker beside what starts it", () => {
  const dist = join(hypervisor, "dist", "web");
  expect(readFileSync(join(dist, "index.js"), "utf8")).toContain(
    'new Worker(new URL("./hart-worker.js", import.meta.url)',
  );
  expect(readFileSync(join(dist, "hart-worker.js"), "utf8").length).toBeGreaterThan(100);
});

/**
 * Lets a guest write, run and forget code for a while, and says what that leaves behind in the host:
 *
 *     node --expose-gc --conditions=@isomorph/source packages/hypervisor/bench/code-churn.ts [SECONDS]
 *
 * Ends with 1 when memory in the last quarter is more than a tenth above that of the second one, or modules twice as many:
 * how many are alive goes up and down with what the guest has just forgotten.
 */
import { riscv64 } from "@isomorph/cpu";
import { createVm } from "@isomorph/hypervisor";
import { CHURN_MEMORY, churningKernel } from "../test/support/code-churn.ts";
import { trackWebAssembly } from "../test/support/live-webassembly.ts";

const seconds = Number(process.argv[2] ?? "600");
const SAMPLES = 40;
const live = trackWebAssembly();
await using vm = await createVm({
  cpu: riscv64({ translationThreshold: 20 }),
  memory: CHURN_MEMORY,
  kernel: churningKernel(),
});

interface Sample {
  readonly resident: number;
  readonly modules: number;
}
const samples: Sample[] = [];
const count = (name: string): number => vm.counters()[`cpu.${name}`] as number;
let translatedBefore = 0;
for (let index = 0; index < SAMPLES; index++) {
  await vm.run({ signal: AbortSignal.timeout((seconds * 1000) / SAMPLES) });
  // Twice: what the first finds to be dead tells its registry in between.
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { rss, external } = process.memoryUsage();
  const translated = count("regionsTranslated");
  const perSecond = (translated - translatedBefore) / (seconds / SAMPLES);
  translatedBefore = translated;
  samples.push({ resident: rss, modules: live.modules });
  console.log(
    `${((index + 1) * (seconds / SAMPLES)).toFixed(0)} s: ${translated} regions (${perSecond.toFixed(0)}/s), ` +
      `${vm.harts[0]?.readRegister(8)} processes, ${count("regions")} regions alive, ` +
      `${live.modules} modules, ${live.instances} instances, ${live.tableEntries} table entries, ` +
      `${(vm.memory.bytes.buffer.byteLength / 1e6).toFixed(0)} MB of machine memory, ` +
      `${(external / 1e6).toFixed(0)} MB external, ${(rss / 1e6).toFixed(0)} MB resident`,
  );
}
const worst = (from: number, to: number, of: (sample: Sample) => number): number =>
  Math.max(...samples.slice(from * SAMPLES, to * SAMPLES).map(of));
const grows = (of: (sample: Sample) => number, tolerance: number): boolean =>
  worst(0.75, 1, of) > tolerance * worst(0.25, 0.5, of);
if (grows(({ resident }) => resident, 1.1) || grows(({ modules }) => modules, 2)) process.exitCode = 1;
console.log(process.exitCode === 1 ? "it grows" : "it stays as it is");

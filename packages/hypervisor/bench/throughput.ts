/**
 * How much more several harts get done than one, each in a thread of its own with the same work:
 *
 *     node --conditions=@isomorph/source packages/hypervisor/bench/throughput.ts [HARTS [ROUNDS]]
 *
 * Rounds with one hart and with all alternate, and so do rounds with one and as many plain threads of the host that do the
 * same: what the harts gain is compared with what those gain, since a busy host does not give all of its processors.
 */
import { Worker } from "node:worker_threads";
import { riscv64 } from "@isomorph/cpu";
import { createVm } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { kernelOf, sbi } from "../test/support/guest.ts";

const [harts = 2, rounds = 11] = process.argv.slice(2).map(Number);
const DATA = 0x80400000;
/** Both take seconds: what is busy on the host for a moment is in all rounds. */
const WORK = 40_000;
const NATIVE_WORK = 40_000;

/** Each hart hashes and shuffles 64 KiB of its own, again and again: for so long that translating it counts for nothing. */
const kernel = (count: number): Uint8Array =>
  kernelOf(`
    ${Array.from({ length: count - 1 }, (_, i) => `li a0, ${i + 1}; la a1, other; li a2, 0; ${sbi.hartStart}`).join("\n")}
    li a0, 0
  other:
    mv s0, a0
    li s1, ${DATA}
    slli s2, s0, 16; add s2, s2, s1; li t0, 0x10000; add s2, s2, t0
    li s3, ${WORK}
    li s4, 0x9e3779b97f4a7c15
  1: mv t0, s2; li t1, 8192
  2: ld t2, 0(t0); mul t2, t2, s4; srli t3, t2, 29; xor t2, t2, t3; add t2, t2, s3
     andi t3, t2, 0x7f8; add t3, t3, s2; ld t4, 0(t3); sd t2, 0(t3); sd t4, 0(t0)
     addi t0, t0, 8; addi t1, t1, -1; bnez t1, 2b
     addi s3, s3, -1; bnez s3, 1b
     li t1, 1; amoadd.d.aqrl zero, t1, (s1)
     beqz s0, 4f
  3: wfi; j 3b
  4: ld t1, (s1); li t2, ${count}; bne t1, t2, 4b
     ${sbi.reboot}`);

async function machine(count: number): Promise<() => Promise<number>> {
  const vm = await createVm({
    cpu: riscv64(),
    memory: 16 << 20,
    harts: count,
    kernel: kernel(count),
    threads: nodeThreads(),
    onReset: "return",
    rngSeed: Uint8Array.of(1),
  });
  vm.memory.data.setBigUint64(DATA - vm.memory.base, 0n, true);
  return async () => {
    vm.memory.data.setBigUint64(DATA - vm.memory.base, 0n, true);
    const began = performance.now();
    await vm.run();
    return performance.now() - began;
  };
}

const worker = (): ((rounds: number) => Promise<void>) => {
  const thread = new Worker(new URL("./native-work.ts", import.meta.url));
  return (work) =>
    new Promise((resolve) => {
      thread.once("message", () => resolve());
      thread.postMessage(work);
    });
};
const workers = Array.from({ length: harts }, worker);
const native = async (count: number): Promise<number> => {
  const began = performance.now();
  await Promise.all(workers.slice(0, count).map((work) => work(NATIVE_WORK)));
  return performance.now() - began;
};

const one = await machine(1);
const all = await machine(harts);
const times: number[][] = [];
for (let round = -3; round < rounds; round++) {
  const row = [await one(), await all(), await native(1), await native(harts)];
  if (round >= 0) times.push(row);
}
const sorted = (index: number): number[] => times.map((row) => row[index] as number).sort((a, b) => a - b);
const columns = [0, 1, 2, 3].map(sorted) as [number[], number[], number[], number[]];
const gain = (single: number[], several: number[], index: number): string =>
  ((harts * (single[index] as number)) / (several[index] as number)).toFixed(2);
const names = ["one hart", `${harts} harts`, "one thread", `${harts} threads`];
columns.forEach((column, index) => {
  console.log(`${(names[index] as string).padEnd(12)} ${column.map((ms) => ms.toFixed(0)).join(" ")} ms`);
});
const [a, b, c, d] = columns;
for (const [name, index] of [
  ["medians", rounds >> 1],
  ["fastest rounds", 0],
] as const) {
  console.log(`throughput by ${name}: harts ${gain(a, b, index)}, threads of the host ${gain(c, d, index)}`);
}
process.exit();

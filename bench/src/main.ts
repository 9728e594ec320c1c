import { cpus } from "node:os";
import { benchmarks } from "./benchmarks.ts";
import { buildWhatIsMeasured } from "./build.ts";
import { cpuCommand } from "./cpu.ts";
import { longRunCommand } from "./long-run.ts";
import { describeCost, runPaired } from "./paired.ts";
import { userCommand } from "./user.ts";

const [name, ...rest] = process.argv.slice(2);
const benchmark = benchmarks.find((candidate) => candidate.name === name);

if (name === undefined) {
  for (const { name, peer, description } of benchmarks)
    console.log(`${name}\t${description} (peer: ${peer})`);
  console.log("cpu\tthe table of sixteen rows against QEMU TCG and other peers (more: -- cpu --help)");
  console.log("user\tprograms in user mode, without a kernel, against qemu-riscv64 (more: -- user --help)");
  console.log(
    "long-run\tgcc, Python's tests and SQLite in Debian, the same in every tier (more: -- long-run --help)",
  );
} else if (name === "cpu") {
  process.exitCode = await cpuCommand(rest);
} else if (name === "user") {
  process.exitCode = await userCommand(rest);
} else if (name === "long-run") {
  process.exitCode = await longRunCommand(rest);
} else if (benchmark === undefined || rest.length > 0) {
  const names = [...benchmarks.map((candidate) => candidate.name), "cpu", "user", "long-run"].join(", ");
  console.error(`isomorph: usage: npm run bench -- NAME, with NAME one of: ${names}`);
  process.exitCode = 2;
} else {
  const { metric, peer, rounds } = benchmark;
  console.log(`${benchmark.description}`);
  console.log(`${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}`);
  const tell = (line: string): void => console.log(line);
  await buildWhatIsMeasured(tell);
  const outcome = await runPaired(benchmark, tell);
  console.log(`medians of ${rounds} rounds; the ratio is that of ${metric} time`);
  console.log(`isomorph: ${describeCost(outcome.ours)}`);
  console.log(`${peer}: ${describeCost(outcome.theirs)}`);
  console.log(`${name}: ${outcome.ratio.toFixed(2)}x of ${peer}`);
}

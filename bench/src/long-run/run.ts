import { createHash } from "node:crypto";
import { riscv64 } from "../../../packages/cpu/src/index.ts";
import { createVm } from "../../../packages/hypervisor/src/index.ts";
import { uart16550 } from "../../../packages/io/src/index.ts";
import { INIT, type LongRunGuest } from "./guest.ts";

/** What is left of a run. */
export interface LongRun {
  /** The console's lines. */
  readonly lines: readonly string[];
  readonly instructions: number;
  /** Those executed in translated code. */
  readonly inRegions: number;
  /** SHA-256 of RAM. */
  readonly memory: string;
  /** How the run ended, as JSON. */
  readonly outcome: string;
  readonly seconds: number;
  /** User CPU time, compilation by the host's threads included. */
  readonly userSeconds: number;
}

const MEMORY = 2 * 2 ** 30;
const PIECE = 1 << 28;

/**
 * Boots the guest with time made of instructions and everything else fixed, and runs it to its end.
 *
 * @param threshold - How often code is reached before it is translated; 0 only interprets.
 * @param onLine - Receives the console's lines as they come.
 */
export async function longRun(
  guest: LongRunGuest,
  options: {
    readonly threshold: number;
    readonly scale: number;
    readonly steps: string;
    readonly seconds: number;
  },
  onLine: (line: string) => void,
): Promise<LongRun> {
  await using vm = await createVm({
    cpu: riscv64({ translationThreshold: options.threshold }),
    memory: MEMORY,
    ...guest,
    cmdline: `console=ttyS0 cryptomgr.notests panic=-1 rdinit=${INIT} scale=${options.scale} steps=${options.steps}`,
    devices: { console: uart16550() },
    clock: "instructions",
    rngSeed: new Uint8Array(64).fill(1),
    onReset: "return",
  });
  const decoder = new TextDecoder();
  const lines: string[] = [];
  let rest = "";
  vm.devices.console.ontransmit = (bytes) => {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      lines.push(line.trimEnd());
      onLine(line.trimEnd());
    }
  };
  const begin = performance.now();
  const cpu = process.cpuUsage();
  const outcome = await vm.run({ signal: AbortSignal.timeout(options.seconds * 1000) });
  const seconds = (performance.now() - begin) / 1000;
  const userSeconds = process.cpuUsage(cpu).user / 1e6;
  vm.devices.console.flush();
  const counters = vm.counters();
  return {
    lines: [...lines, rest],
    instructions: counters["vm.instructions"] ?? 0,
    inRegions: counters["cpu.instructionsInRegions"] ?? 0,
    memory: hashOf(vm.memory.bytes),
    outcome: JSON.stringify(outcome),
    seconds,
    userSeconds,
  };
}

/** Piece by piece: the hash takes less than 2 GiB at once. */
function hashOf(bytes: Uint8Array): string {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += PIECE) hash.update(bytes.subarray(at, at + PIECE));
  return hash.digest("hex");
}

/** What two runs differ in, the first thing first; undefined when in nothing. */
export function differenceOf(a: LongRun, b: LongRun, names: readonly [string, string]): string | undefined {
  const length = Math.max(a.lines.length, b.lines.length);
  for (let index = 0; index < length; index++) {
    const [first, second] = [a.lines[index], b.lines[index]];
    if (first === second) continue;
    const told = (line: string | undefined): string => (line === undefined ? "(has ended)" : line);
    return `line ${index + 1} differs\n${names[0]}: ${told(first)}\n${names[1]}: ${told(second)}`;
  }
  for (const what of ["outcome", "instructions", "memory"] as const) {
    if (a[what] !== b[what]) return `${what} differ\n${names[0]}: ${a[what]}\n${names[1]}: ${b[what]}`;
  }
  return undefined;
}

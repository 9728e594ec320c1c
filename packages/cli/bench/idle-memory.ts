/**
 * What an idle Debian guest of 1 GiB costs its host in memory, beside the pages that it has touched:
 *
 *     npm run build && node --conditions=@isomorph/source packages/cli/bench/idle-memory.ts [OPTION OF `isomorph start`...]
 *
 * Runs the command as it is published, from `dist`: from its sources Node would hold a compiler of TypeScript besides.
 * Boots to a shell, lets it stand for a while, and reads what Linux says of the pages of all its processes. Ends with 1
 * when more than 150 MB are not the guest's.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { riscv64 } from "@isomorph/cpu";
import { createVm, linuxImage } from "@isomorph/hypervisor";
import { nodeThreads } from "@isomorph/hypervisor/node";

const MEMORY = 1 << 30;
const LIMIT = 150e6;
const PAGE = 4096;
/** Seconds after the shell's prompt: longer than the host's collector waits before it gives memory back. */
const SETTLE = 30;

/** A mapping of a process, in bytes. */
interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly resident: number;
}

function mappingsOf(pid: number): Mapping[] {
  const mappings: Mapping[] = [];
  let header: RegExpExecArray | null = null;
  for (const line of readFileSync(`/proc/${pid}/smaps`, "utf8").split("\n")) {
    const found = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)$/.exec(line);
    if (found !== null) header = found;
    const resident = /^Rss: *(\d+) kB/.exec(line)?.[1];
    if (resident === undefined || header === null) continue;
    const [, start = "", end = "", name = ""] = header;
    mappings.push({
      ...{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), name },
      resident: Number(resident) * 1024,
    });
  }
  return mappings;
}

/** Bytes of the range that are in RAM (`pagemap`, bit 63 of each page's 8 bytes). */
function residentIn(pid: number, start: number, length: number): number {
  const file = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    const entries = new Uint8Array((length / PAGE) * 8);
    readSync(file, entries, 0, entries.length, (start / PAGE) * 8);
    let pages = 0;
    for (let at = 7; at < entries.length; at += 8) if (((entries[at] as number) & 0x80) !== 0) pages++;
    return pages * PAGE;
  } finally {
    closeSync(file);
  }
}

function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}

/** Where RAM lies in the machine's WebAssembly memory, and how long that is, which harts and threads change. */
async function layout(options: readonly string[]): Promise<{ ramOffset: number; size: number }> {
  const kernel = linuxImage(Uint8Array.of(0x6f, 0, 0, 0));
  const { values } = parseArgs({
    ...{ args: [...options], strict: false },
    options: { threads: { type: "boolean" }, harts: { type: "string" } },
  });
  const harts = Number(values.harts ?? 1);
  const threads = values.threads === true ? { threads: nodeThreads() } : {};
  await using vm = await createVm({ cpu: riscv64(), memory: MEMORY, harts, kernel, ...threads });
  return { ramOffset: vm.memory.bytes.byteOffset, size: vm.memory.bytes.buffer.byteLength };
}

const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** The command as users run it. */
const COMMAND = fileURLToPath(new URL("../bin/isomorph.js", import.meta.url));

if (!existsSync(new URL("../dist/main.js", import.meta.url))) {
  throw new Error("the command is not built: npm run build");
}
const options = process.argv.slice(2);
const { ramOffset, size } = await layout(options);
const args = [COMMAND, "start", "--ephemeral", "--memory", "1G", ...options];
const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
const ready = new Promise<void>((resolve, reject) => {
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString("latin1");
    if (shown.includes("ready 42")) resolve();
  });
  child.on("exit", (code) => reject(new Error(`the guest ended with ${code} before its shell was there`)));
});
child.stdin.write("echo ready $((6 * 7))\n");
try {
  await ready;
  console.log(`at its shell; ${SETTLE} s of idleness`);
  await new Promise((resolve) => setTimeout(resolve, SETTLE * 1000));
  let total = 0;
  let guest = 0;
  const others: Mapping[] = [];
  for (const pid of treeOf(child.pid as number)) {
    const mappings = mappingsOf(pid);
    total += mappings.reduce((sum, { resident }) => sum + resident, 0);
    const memory = mappings.find(({ start, end }) => end - start >= size && end - start < size + (64 << 20));
    if (memory !== undefined) guest += residentIn(pid, memory.start + ramOffset, MEMORY);
    for (const mapping of mappings) {
      const own = mapping === memory ? mapping.resident - guest : mapping.resident;
      others.push({ ...mapping, resident: own, name: mapping === memory ? "[machine]" : mapping.name });
    }
  }
  if (guest === 0) throw new Error("the guest's memory was not found among the mappings");
  const rest = total - guest;
  console.log(
    `resident: ${MB(total)}; pages that the guest has touched: ${MB(guest)}; beside them: ${MB(rest)}`,
  );
  const byName = new Map<string, number>();
  for (const { name, resident } of others) {
    byName.set(name || "(anonymous)", (byName.get(name || "(anonymous)") ?? 0) + resident);
  }
  for (const [name, resident] of [...byName].sort((a, b) => b[1] - a[1]).slice(0, 6)) {
    console.log(`  ${MB(resident)} ${name}`);
  }
  for (const { start, end, name, resident } of others.sort((a, b) => b.resident - a.resident).slice(0, 8)) {
    console.log(`  ${start.toString(16)}-${end.toString(16)} ${MB(resident)} ${name}`);
  }
  process.exitCode = rest > LIMIT ? 1 : 0;
} finally {
  child.removeAllListeners("exit");
  child.kill("SIGKILL");
}

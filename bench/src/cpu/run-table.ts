import { mkdtemp, rm } from "node:fs/promises";
import { cpus, homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Cost } from "../benchmark.ts";
import { describeCost } from "../paired.ts";
import { type Emulator, ours, qemu } from "./emulators.ts";
import { buildMeasuringGuest, INIT, type MeasuringGuest } from "./guest.ts";
import { type TableOptions, TableUsageError } from "./options.ts";
import { BOOT_ROW, type Row } from "./rows.ts";
import { type RowCost, runUntil, Session } from "./session.ts";
import { type Table, tableCells, tableRow, textTable } from "./table.ts";

const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "isomorph");

/** The kernel says so right before it starts init. */
const INIT_STARTS = "as init process";

/** Seconds of silence that are too long; the longest row of a slow emulator is silent all the while. */
const PATIENCE = 600;

/** Measures what the options ask for. @param tell - Receives the progress and the table, line by line. */
export async function runTable(options: TableOptions, tell: (line: string) => void): Promise<Table> {
  const emulators = chooseEmulators(options);
  const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
  const leave = (): never => process.exit(130);
  process.once("SIGINT", leave);
  try {
    const guest = await buildMeasuringGuest(cacheDir, folder, options.genuine, tell);
    tell(
      `${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}, Linux ${guest.version}`,
    );
    const costs = new Map(options.rows.map(({ name }) => [name, new Map<string, Cost[]>()]));
    const results = new Map<string, { readonly by: string; readonly result: string }>();
    for (let round = 1; round <= options.rounds; round++) {
      const turn = round % 2 === 1 ? emulators : emulators.toReversed();
      await runRound(turn, guest, folder, options, (emulator, name, cost) => {
        tell(`${round}/${options.rounds} ${name}, ${emulator.title}: ${describeCost(cost)}`);
        const of = costs.get(name)!;
        of.set(emulator.name, [...(of.get(emulator.name) ?? []), cost]);
        compareResults(results, name, emulator.name, cost.result);
      });
    }
    const names = emulators.map(({ name }) => name);
    const table = {
      emulators: emulators.map(({ title }) => title),
      rows: options.rows.map((row) => tableRow(titled(row, options), costs.get(row.name)!, names)),
    };
    tell(`guest work per second of user CPU time, medians of ${options.rounds} rounds`);
    tell(textTable(tableCells(table)));
    return table;
  } finally {
    process.off("SIGINT", leave);
    await rm(folder, { recursive: true, force: true });
  }
}

function chooseEmulators(options: TableOptions): Emulator[] {
  const all = [ours(options.ours), qemu(options.qemu)];
  if (options.emulators === undefined) return all;
  const unknown = options.emulators.filter((name) => !all.some((emulator) => emulator.name === name));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(", ");
    throw new TableUsageError(`no emulator ${unknown.join(", ")}; there are ${known}`);
  }
  return all.filter(({ name }) => options.emulators?.includes(name));
}

/**
 * Every emulator does every row once. All are there at the same time, but only one has something to do: so those who
 * are compared do a row right after one another, whatever else the host is busy with.
 */
async function runRound(
  emulators: readonly Emulator[],
  { kernel, bootInitrd, initrd }: MeasuringGuest,
  folder: string,
  { rows, verbose }: TableOptions,
  onRow: (emulator: Emulator, row: string, cost: RowCost) => void,
): Promise<void> {
  const onOutput = verbose ? (text: string): void => void process.stderr.write(text) : undefined;
  const common = { patience: PATIENCE, onOutput };
  if (rows.some(({ name }) => name === BOOT_ROW)) {
    for (const emulator of emulators) {
      const images = { kernel, initrd: bootInitrd, append: "rdinit=/bin/sh", folder };
      const command = await emulator.command(images);
      onRow(emulator, BOOT_ROW, await runUntil({ ...common, command }, BOOT_ROW, INIT_STARTS));
    }
  }
  const inGuest = rows.filter(({ name }) => name !== BOOT_ROW);
  if (inGuest.length === 0) return;
  const names = inGuest.map(({ name }) => name);
  const append = `rdinit=${INIT} rows=${inGuest.map(({ name, work }) => `${name}:${work}`).join(",")}`;
  const sessions: Session[] = [];
  try {
    for (const emulator of emulators) {
      const command = await emulator.command({ kernel, initrd, append, folder });
      sessions.push(new Session({ ...common, command }, names));
    }
    for (const session of sessions) await session.ready();
    for (const [i, name] of names.entries()) {
      const order = emulators.map((_, at) => at);
      for (const at of i % 2 === 0 ? order : order.toReversed()) {
        onRow(emulators[at]!, name, await sessions[at]!.row());
      }
    }
  } finally {
    for (const session of sessions) session.close();
  }
}

/** Equal work has equal results: another one means that an emulator computes wrongly. */
function compareResults(
  results: Map<string, { readonly by: string; readonly result: string }>,
  row: string,
  by: string,
  result: string,
): void {
  const first = results.get(row);
  if (first === undefined) results.set(row, { by, result });
  else if (first.result !== result) {
    throw new Error(`row ${row}: ${by} computed ${result}, and ${first.by} ${first.result}`);
  }
}

/** Our own programs don't go by the names of those that they stand in for. */
function titled(row: Row, { genuine }: TableOptions): Row {
  if (row.name === "coremark" && genuine.coremark === undefined) return { ...row, title: "coremark-like" };
  if (row.name === "dhrystone" && genuine.dhrystone === undefined) return { ...row, title: "dhrystone-like" };
  return row;
}

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Cost } from "../benchmark.ts";
import { describeCost } from "../paired.ts";
import { type Emulator, ours, qemu } from "./emulators.ts";
import { buildMeasuringGuest, INIT, type MeasuringGuest } from "./guest.ts";
import { type TableOptions, TableUsageError } from "./options.ts";
import { BOOT_ROW, type Row } from "./rows.ts";
import { type RowCost, runSession, runUntil } from "./session.ts";
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
      for (const emulator of turn) {
        const onRow = (name: string, cost: RowCost): void => {
          tell(`${round}/${options.rounds} ${emulator.name} ${name}: ${describeCost(cost)}`);
          const of = costs.get(name)!;
          of.set(emulator.name, [...(of.get(emulator.name) ?? []), cost]);
          compareResults(results, name, emulator.name, cost.result);
        };
        await runEmulator(emulator, guest, folder, options, onRow);
      }
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

async function runEmulator(
  emulator: Emulator,
  guest: MeasuringGuest,
  folder: string,
  options: TableOptions,
  onRow: (name: string, cost: RowCost) => void,
): Promise<void> {
  const common = {
    patience: PATIENCE,
    onRow,
    ...(options.verbose && { onOutput: (text: string) => void process.stderr.write(text) }),
  };
  const { kernel, bootInitrd, initrd } = guest;
  if (options.rows.some(({ name }) => name === BOOT_ROW)) {
    const command = await emulator.command({ kernel, initrd: bootInitrd, append: "rdinit=/bin/sh", folder });
    await runUntil({ ...common, command, row: BOOT_ROW, until: INIT_STARTS });
  }
  const inGuest = options.rows.filter(({ name }) => name !== BOOT_ROW);
  if (inGuest.length === 0) return;
  const append = `rdinit=${INIT} rows=${inGuest.map(({ name, work }) => `${name}:${work}`).join(",")}`;
  const command = await emulator.command({ kernel, initrd, append, folder });
  await runSession({ ...common, command, rows: inGuest.map(({ name }) => name) });
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

import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../../packages/cli/src/start/folders.ts";
import type { Cost } from "../benchmark.ts";
import { buildWhatIsMeasured } from "../build.ts";
import { describeCost } from "../paired.ts";
import type { Architecture } from "./compile.ts";
import {
  architectureOf,
  chromium,
  type Emulator,
  OURS,
  ours,
  qemu,
  rvvm,
  tinyemu,
  v86,
} from "./emulators.ts";
import { buildMeasuringGuest, type MeasuringGuest } from "./guest.ts";
import { type TableOptions, TableUsageError } from "./options.ts";
import { requireProgram, requireSources, requireV86 } from "./require.ts";
import { runRound } from "./round.ts";
import type { Row } from "./rows.ts";
import { type Table, tableRow } from "./table.ts";
import { buildPcGuest } from "./v86/guest.ts";
import type { TableOrigin } from "./write-table.ts";

/** A table, and what it was measured with. */
export interface MeasuredTable {
  readonly table: Table;
  readonly origin: TableOrigin;
}

/**
 * Measures what the options ask for.
 *
 * @param tell - Receives the progress, line by line.
 * @throws TableUsageError when something that was given is not there, Error when a row fails.
 */
export async function runTable(options: TableOptions, tell: (line: string) => void): Promise<MeasuredTable> {
  const emulators = chooseEmulators(options);
  for (const { name, program } of emulators) requireProgram(name, program);
  requireSources(options.genuine);
  if (options.v86 !== undefined) requireV86(options.v86);
  if (options.ours === undefined && emulators.some(({ name }) => name === OURS)) {
    await buildWhatIsMeasured(tell);
  }
  const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
  // Also when interrupted, for which `exit` stands in. A browser that was ended may still be about to write there.
  const clean = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  const leave = (): never => process.exit(130);
  process.once("exit", clean);
  process.once("SIGINT", leave);
  process.once("SIGTERM", leave);
  try {
    const guests = await buildGuests(emulators, folder, options, tell);
    const host = `${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}`;
    const versions = [...guests.values()].map((guest) => guest.version).join(" or ");
    const origin = { host, rounds: options.rounds, version: versions };
    tell(`${host}, Node ${process.version}, Linux ${versions} in the guest`);
    const costs = new Map(options.rows.map(({ name }) => [name, new Map<string, Cost[]>()]));
    const results = new Map<string, { readonly by: string; readonly result: string }>();
    for (let round = 1; round <= options.rounds; round++) {
      const turn = round % 2 === 1 ? emulators : emulators.toReversed();
      await runRound(turn, guests, folder, options, (emulator, name, cost) => {
        tell(`${round}/${options.rounds} ${name}, ${emulator.title}: ${describeCost(cost)}`);
        const of = costs.get(name)!;
        of.set(emulator.name, [...(of.get(emulator.name) ?? []), cost]);
        const { fuses = false } = options.rows.find((row) => row.name === name)!;
        const work = fuses ? `${name} on ${architectureOf(emulator)}` : name;
        compareResults(results, work, emulator.name, cost.result);
      });
    }
    const table = {
      columns: emulators,
      rows: options.rows.map((row) => tableRow(titled(row, options), costs.get(row.name)!, emulators)),
    };
    return { table, origin };
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, leave);
    process.off("exit", clean);
    clean();
  }
}

/** Builds a guest for each architecture that is there. */
async function buildGuests(
  emulators: readonly Emulator[],
  folder: string,
  { genuine }: TableOptions,
  tell: (line: string) => void,
): Promise<Map<Architecture, MeasuringGuest>> {
  const guests = new Map<Architecture, MeasuringGuest>();
  const options = { cacheDir: cacheFolder(), folder, genuine, tell };
  for (const architecture of new Set(emulators.map(architectureOf))) {
    const guest = await (architecture === "i386" ? buildPcGuest(options) : buildMeasuringGuest(options));
    guests.set(architecture, guest);
  }
  return guests;
}

function chooseEmulators(options: TableOptions): Emulator[] {
  const isNamed = (name: string): boolean => options.emulators?.includes(name) === true;
  const all = [
    ours(options.ours),
    ...(options.chromium !== undefined || isNamed("chromium") ? [chromium(options.chromium)] : []),
    qemu(options.qemu),
    ...(options.rvvm === undefined ? [] : [rvvm(options.rvvm)]),
    ...(options.tinyemu === undefined ? [] : [tinyemu(options.tinyemu)]),
    ...(options.v86 === undefined ? [] : [v86(options.v86)]),
  ];
  if (options.emulators === undefined) return all;
  const unknown = options.emulators.filter((name) => !all.some((emulator) => emulator.name === name));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(", ");
    throw new TableUsageError(`no emulator ${unknown.join(", ")}; there are ${known}`);
  }
  return all.filter(({ name }) => isNamed(name));
}

/** Equal work has equal results: another one means that an emulator computes wrongly. */
function compareResults(
  results: Map<string, { readonly by: string; readonly result: string }>,
  work: string,
  by: string,
  result: string,
): void {
  const first = results.get(work);
  if (first === undefined) results.set(work, { by, result });
  else if (first.result !== result) {
    throw new Error(`row ${work}: ${by} computed ${result}, and ${first.by} ${first.result}`);
  }
}

/** Our own programs don't go by the names of those that they stand in for. */
function titled(row: Row, { genuine }: TableOptions): Row {
  if (row.name === "coremark" && genuine.coremark === undefined) return { ...row, title: "coremark-like" };
  if (row.name === "dhrystone" && genuine.dhrystone === undefined) return { ...row, title: "dhrystone-like" };
  return row;
}

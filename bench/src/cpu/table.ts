import type { Cost } from "../benchmark.ts";
import { median } from "../paired.ts";
import type { Row } from "./rows.ts";

/** The costs of a row, round by round, of each emulator by its name. */
export type RowCosts = ReadonlyMap<string, readonly Cost[]>;

/** A row of the finished table. */
export interface TableRow {
  readonly title: string;
  readonly unit: string;
  /** Per second of the emulator's user CPU time, or seconds of it for one; medians, in the emulators' order. */
  readonly values: readonly number[];
  /**
   * Each peer's user time over ours, above 1 where ours is ahead; ours over ours elsewhere, above 1 where that is: the
   * median of the rounds' own ratios, as what disturbs a round disturbs all that is measured in it.
   */
  readonly ratios: readonly number[];
  /** The same with the time in the host's kernel added. */
  readonly cpuRatios: readonly number[];
}

/** An emulator's column: ours is the first. */
export interface Column {
  /** By which the costs are found. */
  readonly name: string;
  /** The head. */
  readonly title: string;
  /** Ours elsewhere. */
  readonly isOurs?: boolean;
}

/** The finished table. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly TableRow[];
}

/** The geometric mean. */
export function geometricMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no mean of no values");
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/**
 * The medians of a row, and of its rounds' ratios.
 *
 * @throws Error when a row took no time that could be measured, or someone did not do all rounds.
 */
export function tableRow(row: Row, costs: RowCosts, columns: readonly Column[]): TableRow {
  const rounds = costs.get(columns[0]!.name)?.length ?? 0;
  const measured = columns.map(({ name, isOurs = false }) => {
    const of = costs.get(name) ?? [];
    if (of.length !== rounds) throw new Error(`row ${row.name}: ${of.length} rounds of ${rounds} on ${name}`);
    if (!of.every(({ user }) => user > 0))
      throw new Error(`row ${row.name}: too short to be measured on ${name}`);
    return { isOurs, user: of.map(({ user }) => user), cpu: of.map(({ user, system }) => user + system) };
  });
  const [ours, ...peers] = measured;
  const amount = row.work / row.scale;
  const ratio = (isOurs: boolean, here: readonly number[], there: readonly number[]): number =>
    median(here.map((time, round) => (isOurs ? time / there[round]! : there[round]! / time)));
  return {
    title: row.title,
    unit: row.inverse ? "s" : `${row.unit}/s`,
    values: measured.map(({ user }) => (row.inverse ? median(user) / amount : amount / median(user))),
    ratios: peers.map(({ isOurs, user }) => ratio(isOurs, ours!.user, user)),
    cpuRatios: peers.map(({ isOurs, cpu }) => ratio(isOurs, ours!.cpu, cpu)),
  };
}

/** The cells of a table, its head first; numbers as text. */
export function tableCells(table: Table): string[][] {
  const [first, ...peers] = table.columns;
  const heads = peers.map(({ title, isOurs }) => {
    const pair = [first!.title, title];
    return (isOurs === true ? pair.toReversed() : pair).join(" / ");
  });
  const titles = table.columns.map(({ title }) => title);
  const head = ["", "unit", ...titles, ...heads.flatMap((ratio) => [ratio, "with system time"])];
  const body = table.rows.map(({ title, unit, values, ratios, cpuRatios }) => [
    title,
    unit,
    ...values.map(figure),
    ...ratios.flatMap((ratio, i) => [ratio.toFixed(2), cpuRatios[i]!.toFixed(2)]),
  ]);
  const blank = titles.map(() => "");
  const means = peers.flatMap((_, i) =>
    [table.rows.map(({ ratios }) => ratios[i]!), table.rows.map(({ cpuRatios }) => cpuRatios[i]!)].map(
      (column) => geometricMean(column).toFixed(2),
    ),
  );
  return peers.length === 0 ? [head, ...body] : [head, ...body, ["geometric mean", "", ...blank, ...means]];
}

/** Columns lined up with blanks, for a terminal. */
export function textTable(cells: readonly (readonly string[])[]): string {
  const widths = columnWidths(cells);
  return cells
    .map((line) =>
      line
        .map((cell, i) => pad(cell, widths[i]!, i))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A table of GitHub's Markdown. */
export function markdownTable(cells: readonly (readonly string[])[]): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;
  const [head = [], ...body] = cells;
  const rule = head.map((_, i) => (i < 2 ? "---" : "--:"));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function columnWidths(cells: readonly (readonly string[])[]): number[] {
  const count = cells[0]?.length ?? 0;
  return Array.from({ length: count }, (_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
}

function pad(cell: string, width: number, column: number): string {
  return column < 2 ? cell.padEnd(width) : cell.padStart(width);
}

/** Three significant digits, no exponent. */
function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

import { describeCounter, type Profile } from "@isomorph/hypervisor";

/** Functions in the table at the end of a profiled run. */
const TOP = 20;

/** What took most time, as a table for a terminal. */
export function topTable(profile: Profile, path: string): string {
  const { samples, milliseconds, duration } = profile;
  const percent = (part: number): string => `${((100 * part) / (milliseconds || 1)).toFixed(1)}%`;
  const seconds = (value: number): string => (value / 1000).toFixed(2);
  const rows = profile
    .top(TOP)
    .map(({ name, part, self, total }) => [seconds(self), percent(self), percent(total), part, name]);
  return (
    `profile: ${samples} samples of ${seconds(milliseconds)} s running in ${seconds(duration)} s, in ${path}\n` +
    table(
      [["self s", "self", "total", "in", "function"], ...rows],
      ["right", "right", "right", "left", "left"],
    )
  );
}

/** Counters with their units and meanings, as a table for a terminal. Zeroes are left out. */
export function countersTable(counters: Readonly<Record<string, number>>): string {
  const rows = Object.entries(counters)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => {
      const description = describeCounter(name);
      const shown = Number.isInteger(value) ? `${value}` : value.toFixed(1);
      return [name, shown, description?.unit ?? "", description?.meaning ?? ""];
    });
  return table([["counter", "value", "unit", "meaning"], ...rows], ["left", "right", "left", "left"]);
}

function table(rows: readonly (readonly string[])[], sides: readonly ("left" | "right")[]): string {
  const widths = sides.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] as number;
        return sides[column] === "right" ? cell.padStart(width) : cell.padEnd(width);
      });
      return `${cells.join("  ").trimEnd()}\n`;
    })
    .join("");
}

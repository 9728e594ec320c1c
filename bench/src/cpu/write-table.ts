import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { markdownTable, type Table, tableCells } from "./table.ts";

const BEGIN = "<!-- npm run bench -- cpu --write: begin -->";
const END = "<!-- npm run bench -- cpu --write: end -->";

/** What a table was measured with. */
export interface TableOrigin {
  readonly host: string;
  readonly rounds: number;
  /** Of the guest's kernel. */
  readonly version: string;
}

/** The Markdown section, its markers included. */
export function tableSection(table: Table, { host, rounds, version }: TableOrigin): string {
  const origin =
    `Guest work per second of the emulator's user CPU time: ${roundsTold(rounds)} on ${host}, Node ` +
    `${process.version}, Linux ${version} in the guest. A ratio above 1 means that the one named first is ahead.`;
  return `${BEGIN}\n${wrap(origin)}\n\n${markdownTable(tableCells(table))}\n${END}`;
}

/**
 * Puts the section between a file's markers; a file that is not there is made.
 *
 * @throws Error when the file is there and has no markers.
 */
export function writeTable(file: string, section: string): void {
  if (!existsSync(file)) {
    writeFileSync(file, `${section}\n`);
    return;
  }
  const text = readFileSync(file, "utf8");
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  if (begin < 0 || end < 0)
    throw new Error(`${file} has no place for the table: a line ${BEGIN}, a line ${END}`);
  writeFileSync(file, text.slice(0, begin) + section + text.slice(end + END.length));
}

/** What the figures are. */
export function roundsTold(rounds: number): string {
  return rounds === 1 ? "one round" : `medians of ${rounds} rounds`;
}

/** Lines of at most 120 characters. */
function wrap(text: string): string {
  return text.replace(/(?![^\n]{1,120}$)([^\n]{1,120})\s/g, "$1\n");
}

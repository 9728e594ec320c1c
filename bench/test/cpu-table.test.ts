/** The peer table: what it makes of costs, of its command line, and of a Markdown file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseTableOptions, TableUsageError } from "../src/cpu/options.ts";
import { requireProgram, requireSources, requireV86 } from "../src/cpu/require.ts";
import { rows } from "../src/cpu/rows.ts";
import { geometricMean, markdownTable, tableCells, tableRow, textTable } from "../src/cpu/table.ts";
import { tableSection, writeTable } from "../src/cpu/write-table.ts";

const folder = mkdtempSync(join(tmpdir(), "isomorph-table-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cost = (user: number, system = 0): { user: number; system: number; wall: number } => ({
  user,
  system,
  wall: 9,
});
const rate = { name: "copies", title: "copies", work: 3000, scale: 1000, unit: "k" };
const time = { name: "start", title: "start", work: 4, scale: 1, unit: "start", inverse: true };
const columns = [
  { name: "ours", title: "isomorph" },
  { name: "theirs", title: "peer" },
];
const [ours, theirs] = columns;
const costs = new Map([
  ["ours", [cost(1), cost(3), cost(2, 1)]],
  ["theirs", [cost(4), cost(4), cost(40, 20)]],
]);

describe("a row", () => {
  test("tells work by user second, medians of the rounds, and the median of the peer's time over ours in each", () => {
    const row = tableRow(rate, costs, columns);
    expect(row).toEqual({
      title: "copies",
      unit: "k/s",
      values: [1.5, 0.75],
      ratios: [4],
      cpuRatios: [4],
    });
  });

  test("that tells a time tells it for one, and its ratio is above 1 as well where ours is ahead", () => {
    const row = tableRow(time, costs, columns);
    expect(row).toMatchObject({ unit: "s", values: [0.5, 1], ratios: [4] });
  });

  test("of ours elsewhere tells what that gives of ours", () => {
    const elsewhere = { ...theirs!, isOurs: true };
    const row = tableRow(rate, costs, [ours!, elsewhere]);
    expect(row).toMatchObject({ ratios: [0.25], cpuRatios: [0.25] });
    const [head] = tableCells({ columns: [ours!, elsewhere], rows: [row] });
    expect(head?.slice(-2)).toEqual(["peer / isomorph", "with system time"]);
  });

  test("that took no time is an error that names it", () => {
    const none = new Map([["ours", [cost(0)]]]);
    expect(() => tableRow(rate, none, [ours!])).toThrow(/row copies: too short .* on ours/);
    expect(() => tableRow(rate, none, [theirs!])).toThrow(RangeError);
  });

  test("that someone did not do in all rounds is an error that names both", () => {
    const short = new Map([...costs, ["theirs", [cost(4)]]]);
    expect(() => tableRow(rate, short, columns)).toThrow(/row copies: 1 rounds of 3 on theirs/);
  });
});

describe("a table", () => {
  const row = tableRow(rate, costs, columns);
  const table = {
    columns,
    rows: [row, { ...row, title: "more", ratios: [0.25], cpuRatios: [1], values: [1234.5, 0.01234] }],
  };

  test("ends with the geometric means of its ratios", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(() => geometricMean([])).toThrow(RangeError);
    expect(tableCells(table)).toEqual([
      ["", "unit", "isomorph", "peer", "isomorph / peer", "with system time"],
      ["copies", "k/s", "1.50", "0.750", "4.00", "4.00"],
      ["more", "k/s", "1235", "0.0123", "0.25", "1.00"],
      ["geometric mean", "", "", "", "1.00", "2.00"],
    ]);
  });

  test("has no ratios and no means for one emulator alone", () => {
    const alone = { columns: [ours!], rows: [tableRow(rate, costs, [ours!])] };
    expect(tableCells(alone)).toEqual([
      ["", "unit", "isomorph"],
      ["copies", "k/s", "1.50"],
    ]);
  });

  test("lines up in a terminal, and is a table in Markdown", () => {
    const cells = [
      ["", "unit", "a"],
      ["copies", "k/s", "1.50"],
    ];
    expect(textTable(cells)).toBe("        unit     a\ncopies  k/s   1.50");
    expect(markdownTable(cells)).toBe("|  | unit | a |\n| --- | --- | --: |\n| copies | k/s | 1.50 |");
  });

  test("goes between a file's markers and leaves the rest alone", () => {
    const file = join(folder, "README.md");
    const origin = { host: "2 x CPU", rounds: 5, version: "6.12" };
    const first = tableSection(table, origin);
    writeTable(file, first);
    expect(readFileSync(file, "utf8")).toBe(`${first}\n`);
    writeFileSync(file, `# Speed\n\n${first}\n\nMore.\n`);
    const second = tableSection(table, { ...origin, host: "4 x CPU" });
    writeTable(file, second);
    expect(readFileSync(file, "utf8")).toBe(`# Speed\n\n${second}\n\nMore.\n`);
    expect(second).toContain("medians of 5 rounds on 4 x CPU");
    for (const line of second.split("\n")) expect(line.length).toBeLessThanOrEqual(120);

    writeFileSync(file, "# Nothing\n");
    expect(() => writeTable(file, first)).toThrow(/no place for the table/);
    expect(readFileSync(file, "utf8")).toBe("# Nothing\n");
  });
});

describe("the command line", () => {
  test("is the whole table in five rounds unless told otherwise", () => {
    const options = parseTableOptions([], {});
    expect(options).toMatchObject({ rounds: 5, genuine: {}, verbose: false });
    expect(options?.chromium).toBeUndefined();
    expect(options?.rows).toHaveLength(16);
    expect(parseTableOptions(["--help"], {})).toBeUndefined();
  });

  test("chooses rows in the table's order, and paths before the environment", () => {
    const env = {
      RVVM: "/env/rvvm",
      V86: "/env/v86",
      CHROMIUM: "/env/chromium",
      COREMARK: "/env/coremark",
      DHRYSTONE: "",
    };
    const args = ["--row", "gzip,memcpy", "--rounds", "2", "--rvvm", "/given/rvvm"];
    const options = parseTableOptions(args, env);
    expect(options?.rows.map(({ name }) => name)).toEqual(["memcpy", "gzip"]);
    expect(options).toMatchObject({
      ...{ rounds: 2, rvvm: "/given/rvvm" },
      ...{ v86: "/env/v86", chromium: "/env/chromium" },
    });
    expect(options?.genuine).toEqual({ coremark: "/env/coremark", dhrystone: undefined });
  });

  test.each([
    [["--row", "nosuch"], /no row nosuch; the rows are coremark, /],
    [["--row", ""], /no row was named/],
    [["--rounds", "0"], /positive number, not 0/],
    [["--rounds", "many"], /positive number, not many/],
    [["--nosuch"], /nosuch/],
    [["memcpy"], /memcpy/],
  ])("%j is refused", (args, message) => {
    expect(() => parseTableOptions(args, {})).toThrow(message);
    expect(() => parseTableOptions(args, {})).toThrow(TableUsageError);
  });

  test("names programs and folders that are not there", () => {
    expect(() => requireProgram("rvvm", "/nonexistent/rvvm")).toThrow(
      /rvvm: there is no program \/nonexistent/,
    );
    expect(() => requireProgram("rvvm", folder)).toThrow(TableUsageError);
    expect(() => requireProgram("qemu", "no-such-program")).toThrow(/apt-get install qemu-system-misc/);
    expect(() => requireProgram("chromium", "no-such-program")).toThrow(/apt-get install chromium; or /);
    requireProgram("shell", "sh");
    expect(() => requireSources({ coremark: folder })).toThrow(
      /no folder of CoreMark: it has no core_main.c/,
    );
    expect(() => requireSources({ dhrystone: folder })).toThrow(/it has no dhry.h, no dhry_1.c, no dhry_2.c/);
    requireSources({});
    expect(() => requireV86(folder)).toThrow(
      /no folder of v86: it has no build\/libv86.mjs, no build\/v86.wasm/,
    );
  });
});

test("there are sixteen rows, each with work to do, and the kernel's command line holds them", () => {
  expect(rows).toHaveLength(16);
  expect(new Set(rows.map(({ name }) => name)).size).toBe(16);
  for (const { work, scale } of rows) expect(work / scale).toBeGreaterThan(0);
  // COMMAND_LINE_SIZE of the kernel is 1024.
  expect(rows.map(({ name, work }) => `${name}:${work}`).join(",").length).toBeLessThan(800);
});

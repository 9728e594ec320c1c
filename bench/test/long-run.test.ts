import { describe, expect, test } from "vitest";
import { differenceOf, type LongRun } from "../src/long-run/run.ts";
import { speedSql } from "../src/long-run/speed-sql.ts";

const run: LongRun = {
  lines: ["== sqlite at 12.20", "42", "== sqlite ended with 0 at 15.41"],
  instructions: 1_541_000_000,
  inRegions: 0,
  memory: "e3b0c442",
  outcome: '{"reason":"power-off","code":0}',
  seconds: 7,
  userSeconds: 7,
};
const names = ["interpreted", "translated"] as const;

describe("two long runs", () => {
  test("differ in nothing where only their tiers and seconds do", () => {
    expect(differenceOf(run, { ...run, inRegions: 1_500_000_000, seconds: 99 }, names)).toBeUndefined();
  });

  test("are told apart by the first line that differs", () => {
    const other = { ...run, lines: ["== sqlite at 12.20", "43", "another"] };
    expect(differenceOf(run, other, names)).toBe("line 2 differs\ninterpreted: 42\ntranslated: 43");
    const shorter = { ...run, lines: run.lines.slice(0, 2) };
    expect(differenceOf(run, shorter, names)).toContain("translated: (has ended)");
  });

  test.each([
    ["instructions", { instructions: 1_541_000_001 }],
    ["memory", { memory: "00000000" }],
    ["outcome", { outcome: '{"reason":"crashed"}' }],
  ])("are told apart by their %s", (what, change) => {
    expect(differenceOf(run, { ...run, ...change }, names)).toContain(`${what} differ`);
  });
});

test("the load of SQLite is the same each time, and grows with its rows", () => {
  expect(speedSql(100)).toBe(speedSql(100));
  expect(speedSql(1000).length).toBeGreaterThan(5 * speedSql(100).length);
});

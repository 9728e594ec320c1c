/** What the benchmarks measure is the command as it is published. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { buildWhatIsMeasured } from "../src/build.ts";
import { isomorph } from "../src/programs.ts";

const told: string[] = [];
beforeAll(() => buildWhatIsMeasured((line) => told.push(line)), 300_000);

test("the build is told in a line", () => {
  expect(told).toEqual([expect.stringContaining("building")]);
});

test("the command is the built one, which runs without a source", () => {
  const [program = "", ...args] = isomorph(["--version"]).argv;
  expect(args.join(" ")).not.toMatch(/\.ts|@isomorph\/source/);
  expect(readFileSync(args[0]!, "utf8")).toContain("dist/main.js");
  // An engine that takes no types would fail on one.
  const noTypes = ["--no-experimental-strip-types", ...args];
  expect(execFileSync(program, noTypes, { encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/);
});

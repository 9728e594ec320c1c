import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { lastAllowedCpu, MEASURING_CPU, onOneCpu } from "../src/one-cpu.ts";

test("the last CPU of a list with ranges is found", () => {
  expect(lastAllowedCpu("Name:\tx\nCpus_allowed_list:\t0\nMems_allowed_list:\t0\n")).toBe(0);
  expect(lastAllowedCpu("Cpus_allowed_list:\t0-3,8,10-15\nMems_allowed_list:\t0\n")).toBe(15);
  expect(() => lastAllowedCpu("Name:\tx\n")).toThrow(/which CPUs/);
});

test("a command runs on that CPU alone", () => {
  const [program, ...args] = onOneCpu(["grep", "^Cpus_allowed_list:", "/proc/self/status"]);
  expect(execFileSync(program as string, args, { encoding: "utf8" })).toBe(
    `Cpus_allowed_list:\t${MEASURING_CPU}\n`,
  );
});

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { engineFlags } from "../src/engine.ts";

const hints = "--experimental-wasm-branch-hinting";

test("this engine knows every flag that the command sets", () => {
  const program = `for (const flag of ${JSON.stringify(engineFlags())}) require("node:v8").setFlagsFromString(flag)`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--eval", program], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  // As options, an unknown one is an error.
  expect(spawnSync(process.execPath, [...engineFlags(), "--eval", ""]).status).toBe(0);
});

test("other engines are told what they know, and don't do unasked", () => {
  expect(engineFlags("12.4.254.21-node.21")).toContain(hints);
  expect(engineFlags("13.6.233.17-node.53")).toContain(hints);
  expect(engineFlags("14.1.146.11-node.25")).not.toContain(hints);
});

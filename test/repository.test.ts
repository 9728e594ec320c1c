import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { root, runTool } from "./workspace.ts";

interface Line {
  readonly place: string;
  readonly text: string;
}

let files: string[] = [];
let lines: Line[] = [];

/** The lines in which a pattern occurs, as `file:line: text`. */
const occurrences = (pattern: RegExp, where = ""): string[] =>
  lines
    .filter(({ place, text }) => place.startsWith(where) && pattern.test(text))
    .map(({ place, text }) => `${place}: ${text.trim().slice(0, 160)}`);

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

beforeAll(async () => {
  const listed = await runTool("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  files = listed.output.split("\0").filter((name) => {
    return name !== "" && statSync(join(root, name), { throwIfNoEntry: false })?.isFile();
  });
  lines = files.flatMap((name) => {
    const text = readFileSync(join(root, name), "latin1");
    if (text.includes("\0")) return [];
    return text.split("\n").map((line, index) => ({ place: `${name}:${index + 1}`, text: line }));
  });
});

test("the repository has files", () => {
  expect(files).toContain("pnpm-lock.yaml");
  expect(lines.length).toBeGreaterThan(1000);
});

test("no file names a package registry or a mirror", async () => {
  const hosts = new Set([["registry", "npmjs", "org"].join("."), ["deb", "debian", "org"].join(".")]);
  const configured = await runTool("npm", ["config", "get", "registry"]);
  const sources = await runTool("bash", [
    "-c",
    "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; true",
  ]);
  for (const [, host] of `${configured.output}\n${sources.output}`.matchAll(/https?:\/\/([^\s/:@]+)/g)) {
    if (host !== undefined && !/^(localhost|127\.|\[)/.test(host)) hosts.add(host);
  }
  const pattern = new RegExp([...hosts].map((host) => `(?<![\\w.-])${escaped(host)}(?![\\w-])`).join("|"));
  expect(occurrences(pattern)).toEqual([]);
});

test("the lockfile records no address", () => {
  expect(occurrences(/tarball:|https?:\/\//, "pnpm-lock.yaml")).toEqual([]);
});

test("no file knows where this checkout or a person's home lies", () => {
  const homes = /(?<![\w.~-])\/(?:work|Users|home\/(?!user\b|debian\b))[\w.-]*\//;
  expect(occurrences(homes)).toEqual([]);
  if (root.split("/").length > 2) expect(occurrences(new RegExp(`${escaped(root)}(?![\\w-])`))).toEqual([]);
});

test("no source silences the compiler or leaves work for later", () => {
  const words = ["TO" + "DO", "FIX" + "ME", "@ts-" + "ignore", "@ts-" + "nocheck", "@ts-" + "expect-error"];
  const sources = lines.filter(({ place }) => /\.(ts|mjs|js|sh):\d+$/.test(place));
  const pattern = new RegExp(`\\b(${words.slice(0, 2).join("|")})\\b|${words.slice(2).join("|")}`);
  expect(sources.filter(({ text }) => pattern.test(text))).toEqual([]);
});

test("no file is larger than a mebibyte", () => {
  expect(files.filter((name) => statSync(join(root, name)).size > 1 << 20)).toEqual([]);
});

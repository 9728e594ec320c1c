import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findCycle, layers, readSources, violations } from "./import-graph.ts";
import { filesUnder, packages } from "./workspace.ts";

describe("the import graph of the packages", () => {
  test.each(packages)(
    "$name imports only downward, without cycles, and keeps to its platform",
    ({ name, folder }) => {
      const src = join(folder, "src");
      const sources = readSources(src, filesUnder(src, ".ts"));
      expect(sources.size).toBeGreaterThan(0);
      expect(violations(name, sources)).toEqual([]);
    },
  );

  test.each(packages)("$name depends on just the packages below it", ({ name, manifest }) => {
    const below = (layers[name] ?? []).map((other) => `@isomorph/${other}`);
    const internal = Object.entries(manifest.dependencies ?? {}).filter(([other]) =>
      other.startsWith("@isomorph/"),
    );
    for (const [other, range] of internal) {
      expect(below).toContain(other);
      expect(range).toBe("workspace:^");
    }
  });

  test("the layer table itself has no cycle, and a row for every package", () => {
    expect(findCycle(new Map(Object.entries(layers)))).toBeUndefined();
    expect(packages.map(({ name }) => name).filter((name) => layers[name] === undefined)).toEqual([]);
  });
});

describe("the reader of the import graph finds", () => {
  const check = (name: string, files: Record<string, string>): string[] =>
    violations(name, new Map(Object.entries(files)));

  test("an upward import, of a type, of a subpath, or dynamic", () => {
    const text = `import type { Vm } from "@isomorph/hypervisor";
      export * from "@isomorph/cli/x";
      const io = await import("@isomorph/io");`;
    expect(check("cpu", { "index.ts": text })).toHaveLength(3);
  });

  test("a cycle between files", () => {
    const files = {
      "index.ts": `export * from "./a.ts";`,
      "a.ts": `import { b } from "./topic/b.ts";`,
      "topic/b.ts": `import type { A } from "../a.ts";`,
    };
    expect(check("io", files)).toEqual(["io: cycle a.ts -> topic/b.ts -> a.ts"]);
  });

  test("a file that leaves the package", () => {
    expect(check("io", { "index.ts": `import "../../cpu/src/index.ts";` })).toHaveLength(1);
  });

  test("node: outside src/node/, and not in the command", () => {
    const text = `import { readFileSync } from "node:fs";`;
    expect(check("storage", { "file.ts": text })).toHaveLength(1);
    expect(check("storage", { "node/file.ts": text })).toEqual([]);
    expect(check("cli", { "main.ts": text })).toEqual([]);
  });

  test("names of the browser outside src/web/, but not members or declarations of that name", () => {
    expect(check("io", { "a.ts": "new Worker(document.title as unknown as URL);" })).toHaveLength(2);
    expect(check("io", { "web/a.ts": "new Worker(document.title as unknown as URL);" })).toEqual([]);
    expect(check("io", { "a.ts": "const window = 4; export const x = { self: window }.self;" })).toEqual([]);
  });
});

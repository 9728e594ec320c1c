import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPackages } from "./build.ts";
import { filesUnder, packages, runTool } from "./workspace.ts";

const limit = 300_000;
let scratch = "";

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "isomorph-pack-"));
  await buildPackages();
}, limit);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Packs as `pnpm publish` would, and returns the tarball's path. */
async function pack(name: string, folder: string): Promise<string> {
  const destination = join(scratch, name);
  const packed = await runTool("pnpm", ["pack", "--pack-destination", destination], folder);
  expect(packed, packed.output).toMatchObject({ code: 0 });
  return join(destination, readdirSync(destination)[0]!);
}

describe.each(packages)("@isomorph/$name", ({ name, folder, manifest }) => {
  test("is as publint and attw want it when packed", { timeout: limit }, async () => {
    const tarball = await pack(name, folder);
    const bytes = readFileSync(tarball);
    const contents = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const { messages, pkg } = await publint({ pack: { tarball: contents }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);

    const types = await runTool("attw", [
      tarball,
      "--profile",
      "esm-only",
      "--no-emoji",
      "--format",
      "ascii",
    ]);
    expect(types, types.output).toMatchObject({ code: 0 });
  });

  test("has no path of this machine, and no source condition, in what is published", async () => {
    const tarball = await pack(`${name}-contents`, folder);
    const packed = await runTool("tar", ["-xzOf", tarball, "package/package.json"]);
    expect(packed.output).not.toContain("@isomorph/source");
    expect(packed.output).not.toContain("workspace:");
    const built = filesUnder(join(folder, "dist"), ".js").map((file) => readFileSync(file, "utf8"));
    expect(built.length).toBeGreaterThan(0);
    expect(built.filter((text) => text.includes(folder))).toEqual([]);
  });

  test("publishes the subpaths it develops with", () => {
    const withoutSource = Object.entries(manifest.exports ?? {}).map(([subpath, target]) => {
      if (target === null || typeof target === "string") return [subpath, target];
      const { "@isomorph/source": source, ...published } = target;
      expect(source).toMatch(/^\.\/src\/.*\.ts$/);
      const stem = source!.slice("./src/".length, -".ts".length);
      expect(published).toEqual({ types: `./dist/${stem}.d.ts`, default: `./dist/${stem}.js` });
      return [subpath, published];
    });
    const published = manifest.publishConfig?.exports ?? manifest.exports;
    expect(published).toEqual(Object.fromEntries(withoutSource));
  });
});

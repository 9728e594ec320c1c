import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { allDocuments, anchorsIn, linksIn, readDocument, tableRows } from "./markdown.ts";
import { root } from "./workspace.ts";

const documents = await allDocuments();

/** What is wrong with a document's links, one line for each; empty when they all lead somewhere. */
function brokenLinks(path: string, text: string): string[] {
  return linksIn(text).flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : normalize(join(dirname(path), decodeURIComponent(file)));
    if (target.startsWith("..") || !existsSync(join(root, target))) return [`${path}: ${link}: no such file`];
    if (anchor === undefined) return [];
    const anchors = target.endsWith(".md") ? anchorsIn(readFileSync(join(root, target), "utf8")) : [];
    return anchors.includes(anchor) ? [] : [`${path}: ${link}: no such heading`];
  });
}

test.each(documents.map(({ path, text }) => ({ path, text })))(
  "the links of $path lead somewhere",
  (document) => {
    expect(brokenLinks(document.path, document.text)).toEqual([]);
  },
);

describe("SPECIFICATION.md", () => {
  const { text } = readDocument("SPECIFICATION.md");
  const promises = tableRows(text).map((cells) => ({
    promise: cells[0] as string,
    holders: linksIn(cells.at(-1) as string),
  }));

  test("names a test or a benchmark for every promise", () => {
    expect(promises.length).toBeGreaterThan(40);
    const isHolder = (file: string): boolean =>
      (file.endsWith(".test.ts") || /^bench\/src\/[\w-]+\.ts$/.test(file)) && existsSync(join(root, file));
    expect(promises.filter(({ holders }) => !holders.some(isHolder)).map(({ promise }) => promise)).toEqual(
      [],
    );
  });

  test("makes each promise once", () => {
    const names = promises.map(({ promise }) => promise);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

describe("the reader of links", () => {
  test("sees a file and a heading that are not there, and no link in code", () => {
    const text =
      "[a](README.md) [b](missing.md) [c](#here) [d](#gone) `[e](x.md)`\n## Here\n```\n[f](y.md)\n```\n";
    expect(linksIn(text)).toEqual(["README.md", "missing.md", "#here", "#gone"]);
    expect(brokenLinks("MAP.md", text)).toHaveLength(3);
  });

  test("makes anchors as GitHub does", () => {
    expect(anchorsIn("# A disk's life: `read()`, twice\n## Twice\n## Twice\n")).toEqual([
      "a-disks-life-read-twice",
      "twice",
      "twice-1",
    ]);
  });
});

import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeCpio } from "../src/guest/cpio.ts";
import { FileTree } from "../src/guest/file-tree.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-cpio-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sample(): FileTree {
  const tree = new FileTree(1_700_000_000);
  tree.directory("bin", { mode: 0o711 });
  tree.file("bin/odd", "123", { mode: 0o755 });
  tree.file("bin/even", new Uint8Array(4096).fill(0xa5), { mode: 0o4750, uid: 12, gid: 34 });
  tree.file("empty", "");
  tree.file("a name with spaces and Ünïcode", "text\n");
  tree.symlink("sh", "bin/odd");
  return tree;
}

describe("cpio, judged by GNU cpio", () => {
  it("lists every member with its type, owner and size", () => {
    const tree = sample();
    tree.add("dev/console", { kind: "character", major: 5, minor: 1, mode: 0o600, uid: 0, gid: 0, mtime: 0 });
    writeFileSync(join(folder, "archive"), writeCpio(tree));
    const list = execFileSync("cpio", ["-itvn", "--quiet", "-F", join(folder, "archive")], {
      encoding: "utf8",
    });
    const lines = list.trimEnd().split("\n");
    const line = (pattern: RegExp): string | undefined => lines.find((text) => pattern.test(text));
    expect(lines).toHaveLength(8);
    expect(line(/ bin$/)).toMatch(/^drwx--x--x\s+2 0\s+0\s/);
    expect(line(/bin\/even$/)).toMatch(/^-rwsr-x---\s+1 12\s+34\s+4096 /);
    expect(line(/ sh -> bin\/odd$/)).toMatch(/^lrwxrwxrwx/);
    expect(line(/dev\/console$/)).toMatch(/^crw-------\s+1 0\s+0\s+5,\s+1 /);
  });

  it("extracts to what went in", () => {
    writeFileSync(join(folder, "archive"), writeCpio(sample()));
    execFileSync("cpio", ["-im", "--quiet", "--no-preserve-owner", "-F", join(folder, "archive")], {
      cwd: folder,
    });
    expect(readFileSync(join(folder, "bin/odd"), "utf8")).toBe("123");
    expect(readFileSync(join(folder, "bin/even"))).toEqual(Buffer.alloc(4096, 0xa5));
    expect(readFileSync(join(folder, "a name with spaces and Ünïcode"), "utf8")).toBe("text\n");
    expect(readlinkSync(join(folder, "sh"))).toBe("bin/odd");
    expect(lstatSync(join(folder, "bin/odd")).mode & 0o777).toBe(0o755);
    expect(statSync(join(folder, "empty"))).toMatchObject({ size: 0, mtimeMs: 1_700_000_000_000 });
  });

  it("gives equal bytes for equal trees, whatever the order they were made in", () => {
    const other = new FileTree(1_700_000_000);
    const names = [...sample().walk()].map(({ path, node }) => ({ path, node })).reverse();
    for (const { path, node } of names)
      if (node.kind === "directory") other.directory(path, { mode: node.mode });
    for (const { path, node } of names) if (node.kind !== "directory") other.add(path, node);
    expect(Buffer.compare(writeCpio(other), writeCpio(sample()))).toBe(0);
  });
});

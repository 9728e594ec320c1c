import { describe, expect, it } from "vitest";
import { FileTree } from "../src/guest/file-tree.ts";

describe("a file tree", () => {
  it("follows links of directories inside the tree", () => {
    const tree = new FileTree();
    tree.directory("usr/lib");
    tree.symlink("lib", "usr/lib");
    tree.symlink("usr/lib/up", "/");
    tree.file("lib/a", "1");
    tree.file("usr/lib/up/lib/b", "2");
    expect(tree.list("usr/lib")).toEqual(["a", "b", "up"]);
    expect(tree.text("/lib/up/usr/lib/a")).toBe("1");
  });

  it("never leaves its root, however often a path goes up", () => {
    const tree = new FileTree();
    tree.symlink("escape", "../../../../etc");
    tree.file("escape/passwd", "inside");
    expect(tree.text("etc/passwd")).toBe("inside");
    expect(() => tree.file("a/..", "")).toThrow(/names no entry/);
    expect(() => tree.file("/", "")).toThrow(/names no entry/);
  });

  it("gives up on links that go round", () => {
    const tree = new FileTree();
    tree.symlink("a", "b");
    tree.symlink("b", "a");
    expect(tree.find("a/x")).toBeUndefined();
    expect(() => tree.file("a/x", "")).toThrow(/no directory/);
    expect(tree.has("a")).toBe(true);
  });

  it("keeps a directory that is there, or the link to one, when a package ships it again", () => {
    const tree = new FileTree();
    tree.directory("usr/bin", { mode: 0o755 });
    tree.symlink("bin", "usr/bin");
    tree.file("bin/sh", "#");
    const again = { kind: "directory", children: new Map(), mode: 0o700, uid: 1, gid: 1, mtime: 9 } as const;
    tree.add("usr/bin", { ...again });
    tree.add("bin", { ...again });
    expect(tree.find("bin")).toMatchObject({ mode: 0o755 });
    expect(tree.text("usr/bin/sh")).toBe("#");
    expect(() => tree.file("usr/bin", "")).toThrow(/is a directory/);
  });

  it("walks parents first and in a fixed order", () => {
    const tree = new FileTree();
    for (const path of ["b/z", "b/a", "a", "B", "b-"]) tree.file(path, "");
    expect([...tree.walk()].map(({ path }) => path)).toEqual(["B", "a", "b", "b/a", "b/z", "b-"]);
  });
});

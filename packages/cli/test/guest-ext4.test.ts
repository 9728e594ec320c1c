import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Extent } from "../src/guest/checksum.ts";
import { writeExt4 } from "../src/guest/ext4.ts";
import { FileTree } from "../src/guest/file-tree.ts";
import { findHostTools } from "../src/guest/host-tools.ts";

const tools = findHostTools();
const uuid = "01234567-89ab-8cde-8f01-23456789abcd";
const SIZE = 64 * 1024 * 1024;
const body = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 7) & 255);
let folder: string;

function sample(): FileTree {
  const tree = new FileTree(1_690_000_000);
  tree.directory("etc", { mode: 0o750, uid: 3, gid: 4 });
  tree.file("etc/shadow", "secret", { mode: 0o640, gid: 42 });
  tree.file("bin/su", body, { mode: 0o4755 });
  tree.add("bin/su2", tree.find("bin/su")!);
  tree.directory("tmp", { mode: 0o1777 });
  tree.symlink("short", "etc/shadow");
  tree.symlink("long", "x".repeat(200));
  tree.file('odd "name" \\x2d — ü', "odd");
  for (let i = 0; i < 400; i++) tree.file(`many/file-${i}`, String(i));
  return tree;
}

let extents: readonly Extent[] = [];

async function write(name: string, tree: FileTree): Promise<string> {
  const path = join(folder, name);
  const staging = { directory: join(folder, `${name}.staging`), count: 0 };
  mkdirSync(staging.directory);
  extents = await writeExt4(path, tree, {
    size: SIZE,
    label: "judged",
    uuid,
    time: 1_700_000_000,
    staging,
    tools,
  });
  return path;
}

function debugfs(path: string, command: string): string {
  return execFileSync(tools.debugfs, ["-R", command, path], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-ext4-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the ext4 image, judged by e2fsprogs", () => {
  it("is clean and holds what the tree holds", async () => {
    const path = await write("first", sample());
    expect(statSync(path).size).toBe(SIZE);
    expect(statSync(path).blocks * 512).toBeLessThan(SIZE);
    execFileSync(tools.e2fsck, ["-f", "-n", path], { stdio: "ignore" });

    expect(debugfs(path, "stat /etc")).toMatch(
      /Type: directory\s+Mode:\s+0750[\s\S]*User:\s+3\s+Group:\s+4\b/,
    );
    expect(debugfs(path, "stat /etc/shadow")).toMatch(
      /Mode:\s+0640[\s\S]*User:\s+0\s+Group:\s+42\b[\s\S]*Size: 6\b/,
    );
    expect(debugfs(path, "stat /bin/su")).toMatch(/Mode:\s+04755[\s\S]*Links: 2\b[\s\S]*mtime: 0x64bb5a80/);
    expect(debugfs(path, "stat /tmp")).toMatch(/Mode:\s+01777/);
    expect(debugfs(path, "stat /short")).toContain('Fast link dest: "etc/shadow"');
    expect(debugfs(path, "cat /long")).toBe("x".repeat(200));
    expect(debugfs(path, 'cat "/odd ""name"" \\x2d — ü"')).toBe("odd");
    expect(debugfs(path, "cat /many/file-399")).toBe("399");
    execFileSync(tools.debugfs, ["-R", `dump /bin/su2 ${join(folder, "su2")}`, path], { stdio: "ignore" });
    expect(Buffer.compare(readFileSync(join(folder, "su2")), body)).toBe(0);
  });

  it("holds nothing but zeros outside the extents it names", async () => {
    const bytes = readFileSync(await write("extents", sample()));
    expect(extents.length).toBeGreaterThan(0);
    let used = 0;
    for (const [offset, length] of extents) {
      used += length;
      bytes.fill(0, offset, offset + length);
    }
    expect(used).toBeLessThan(SIZE / 2);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("is the same, byte for byte, when it is made again", async () => {
    const [one, two] = [await write("one", sample()), await write("two", sample())];
    expect(Buffer.compare(readFileSync(one), readFileSync(two))).toBe(0);
  });

  it("fails with a code when the tree does not fit", async () => {
    const tree = new FileTree();
    tree.file("large", new Uint8Array(SIZE).fill(1));
    await expect(write("full", tree)).rejects.toMatchObject({ code: "ERR_GUEST_IMAGE" });
  });

  it("refuses a name that would end a command", async () => {
    const tree = new FileTree();
    tree.file("a\nrm b", "");
    await expect(write("newline", tree)).rejects.toMatchObject({ code: "ERR_GUEST_ARCHIVE" });
  });

  it("stops when asked to", async () => {
    const reason = new Error("enough");
    const staging = { directory: folder, count: 0 };
    const signal = AbortSignal.abort(reason);
    const options = { size: SIZE, label: "x", uuid, time: 0, staging, tools, signal };
    await expect(writeExt4(join(folder, "stopped"), new FileTree(), options)).rejects.toBe(reason);
  });
});

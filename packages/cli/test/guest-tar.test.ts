import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTarReader, type TarHeader } from "../src/guest/tar.ts";

type Member = { header: TarHeader; body: Uint8Array };

function read(
  archive: Uint8Array,
  step = archive.length,
  wanted?: (header: TarHeader) => boolean,
): Map<string, Member> {
  const members = new Map<string, Member>();
  const reader = createTarReader((header, body) => members.set(header.path, { header, body }), wanted);
  for (let at = 0; at < archive.length; at += step) reader.write(archive.subarray(at, at + step));
  reader.end();
  return members;
}

const long = `${"long-".repeat(40)}name`;
let folder: string;
const archives: Record<string, Uint8Array> = {};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-tar-"));
  const root = join(folder, "root");
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  writeFileSync(join(root, "usr/bin/tool"), "x".repeat(1500), { mode: 0o755 });
  writeFileSync(join(root, "usr/empty"), "");
  writeFileSync(join(root, long), "long");
  linkSync(join(root, "usr/bin/tool"), join(root, "usr/bin/tool2"));
  symlinkSync(`../${long}`, join(root, "usr/link"));
  for (const format of ["gnu", "pax"]) {
    const args = [
      "--create",
      `--format=${format}`,
      "--owner=7",
      "--group=42",
      "--mtime=@1690000000",
      "--sort=name",
      ".",
    ];
    archives[format] = new Uint8Array(execFileSync("tar", args, { cwd: root, maxBuffer: 1 << 24 }));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(["gnu", "pax"])("tar, as GNU tar writes it in format %s", (format) => {
  it.each([1_000_000, 512, 513, 7])("reads every member, in chunks of %i bytes", (step) => {
    const members = read(archives[format]!, step);
    expect([...members.keys()].sort()).toEqual(
      ["", long, "usr", "usr/bin", "usr/bin/tool", "usr/bin/tool2", "usr/empty", "usr/link"].sort(),
    );
    const tool = members.get("usr/bin/tool")!;
    expect(tool.header).toMatchObject({
      kind: "file",
      mode: 0o755,
      uid: 7,
      gid: 42,
      mtime: 1_690_000_000,
      size: 1500,
    });
    expect(Buffer.from(tool.body).toString()).toBe("x".repeat(1500));
    expect(members.get("usr/bin/tool2")!.header).toMatchObject({ kind: "hardlink", link: "usr/bin/tool" });
    expect(members.get("usr/link")!.header).toMatchObject({ kind: "symlink", link: `../${long}` });
    expect(members.get("usr/bin")!.header.kind).toBe("directory");
    expect(Buffer.from(members.get(long)!.body).toString()).toBe("long");
  });

  it("passes over what is not wanted", () => {
    const members = read(archives[format]!, 1000, ({ path }) => path === long);
    expect([...members.keys()]).toEqual([long]);
  });

  it("complains of an archive that ends early", () => {
    const archive = archives[format]!;
    expect(() => read(archive.subarray(0, 2048))).toThrow(/truncated/);
  });

  it("survives any byte being wrong: it reads on or throws an Error", () => {
    const archive = archives[format]!.slice(0, 8192);
    let thrown = 0;
    for (let at = 0; at < archive.length; at += 3) {
      const broken = archive.slice();
      broken[at] = broken[at]! ^ (1 << (at % 8));
      try {
        read(broken, 4096);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect((error as Error).message).toMatch(/^tar: /);
        thrown++;
      }
    }
    expect(thrown).toBeGreaterThan(100);
  });
});

it("refuses a member that claims to be huge before taking memory for it", () => {
  const archive = archives.gnu!.slice();
  archive.fill(0x37, 124, 135); // size: octal 7s
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : archive[i]!;
  archive.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  expect(() => read(archive)).toThrow(/a member of 8589934591 bytes/);
});

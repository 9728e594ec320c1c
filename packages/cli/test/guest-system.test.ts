import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { groupId, writeAccounts } from "../src/guest/accounts.ts";
import { writeDpkgDatabase } from "../src/guest/dpkg-database.ts";
import type { UnpackedPackage } from "../src/guest/extract.ts";
import { contentBytes, FileTree } from "../src/guest/file-tree.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-system-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("accounts", () => {
  it("are Debian's fixed ones and what sysusers.d(5) asks for", () => {
    const tree = new FileTree();
    tree.file(
      "usr/share/base-passwd/passwd.master",
      "root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1:d:/x:/no\n",
    );
    tree.file("usr/share/base-passwd/group.master", "root:*:0:\nadm:*:4:\nshadow:*:42:\nkvm:*:998:\n");
    tree.file(
      "usr/lib/sysusers.d/a.conf",
      '# comment\ng adm 4 -\ng journal - -\nu! net - "Net Management"\nu bus - "Bus" /run/bus\nu fixed 77:42 - - /bin/sh\nm bus journal\n',
    );
    writeAccounts(tree, 20000);
    expect(tree.text("etc/passwd")?.split("\n")).toEqual([
      "root:x:0:0:root:/root:/bin/bash",
      "daemon:x:1:1:d:/x:/no",
      "net:x:997:997:Net Management:/:/usr/sbin/nologin",
      "bus:x:996:996:Bus:/run/bus:/usr/sbin/nologin",
      "fixed:x:77:42::/:/bin/sh",
      "",
    ]);
    expect(tree.text("etc/group")).toBe(
      "root:x:0:\nadm:x:4:\nshadow:x:42:\nkvm:x:998:\njournal:x:999:bus\nnet:x:997:\nbus:x:996:\n",
    );
    expect(tree.text("etc/shadow")).toMatch(/^root::20000:0:99999:7:::\ndaemon:\*:20000:/);
    expect(tree.find("etc/shadow")).toMatchObject({ mode: 0o640, uid: 0, gid: 42 });
    expect(groupId(tree, "journal")).toBe(999);
    expect(() => groupId(tree, "absent")).toThrow(RangeError);
  });
});

describe("dpkg's database, judged by dpkg", () => {
  const description = (name: string, more: string): string =>
    `Package: ${name}\nVersion: 1:2.0-3\nArchitecture: riscv64\nMaintainer: A <a@example.org>\n${more}Description: short\n long\n`;
  const control = (files: Record<string, string>): UnpackedPackage["control"] =>
    new Map(
      Object.entries(files).map(([name, text]) => [
        name,
        { bytes: new TextEncoder().encode(text), mode: 0o644 },
      ]),
    );

  it("lists packages, their files and their configuration files", () => {
    const tree = new FileTree();
    tree.file("etc/a.conf", "abc");
    writeDpkgDatabase(tree, [
      {
        name: "a",
        control: control({
          control: description("a", ""),
          conffiles: "/etc/a.conf\n",
          triggers: "interest-noawait /usr/lib/x\ninterest named\n",
        }),
        paths: ["/.", "/etc", "/etc/a.conf"],
      },
      {
        name: "libb",
        control: control({ control: description("libb", "Multi-Arch: same\n"), md5sums: "" }),
        paths: ["/.", "/usr", "/usr/lib/libb.so"],
      },
    ]);
    for (const { path, node } of tree.walk()) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      if (node.kind === "directory") mkdirSync(join(folder, path), { recursive: true });
      if (node.kind === "file") writeFileSync(join(folder, path), contentBytes(node.content));
    }
    const admin = `--admindir=${join(folder, "var/lib/dpkg")}`;
    const field = (name: string): string => `$\{${name}}`;
    const query = (...args: string[]): string =>
      execFileSync("dpkg-query", [admin, ...args], { encoding: "utf8" });
    expect(
      query("-W", "-f", `${field("binary:Package")} ${field("Version")} ${field("db:Status-Abbrev")}|`),
    ).toBe("a:riscv64 1:2.0-3 ii |libb:riscv64 1:2.0-3 ii |");
    expect(query("-L", "a:riscv64").trim().split("\n")).toEqual(["/.", "/etc", "/etc/a.conf"]);
    expect(query("-S", "/usr/lib/libb.so")).toBe("libb:riscv64: /usr/lib/libb.so\n");
    expect(query("-W", "-f", field("Conffiles"), "a:riscv64").trim()).toBe(
      "/etc/a.conf 900150983cd24fb0d6963f7d28e17f72",
    );
    expect(tree.text("var/lib/dpkg/triggers/File")).toBe("/usr/lib/x a/noawait\n");
    expect(tree.text("var/lib/dpkg/triggers/named")).toBe("a\n");
  });
});

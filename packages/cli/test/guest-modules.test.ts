import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentBytes, FileTree } from "../src/guest/file-tree.ts";
import { type KernelModule, loadOrder, moduleName } from "../src/guest/kernel-modules.ts";
import { writeModuleIndexes } from "../src/guest/module-index.ts";

const RELEASE = "6.12.0-test";
const FOLDER = `lib/modules/${RELEASE}`;

function kernelModule(
  path: string,
  depends: string[] = [],
  aliases: string[] = [],
  softDependencies: string[] = [],
): KernelModule {
  return { name: moduleName(path), path, bytes: new Uint8Array(1), depends, aliases, softDependencies };
}

const modules: KernelModule[] = [
  kernelModule("kernel/net/core/failover.ko"),
  kernelModule("kernel/drivers/net/net_failover.ko", ["failover"]),
  kernelModule("kernel/drivers/net/virtio_net.ko", ["net_failover"], ["virtio:d00000001v*"]),
  kernelModule("kernel/drivers/block/virtio_blk.ko", [], ["virtio:d00000002v*"]),
  kernelModule("kernel/drivers/char/virtio-rng.ko", [], ["virtio:d00000004v*"]),
  kernelModule("kernel/fs/ext4/ext4.ko", ["jbd2", "crc16"], ["fs-ext4", "fs-ext3"], ["pre: crc32c"]),
  kernelModule("kernel/fs/jbd2/jbd2.ko"),
  kernelModule("kernel/lib/crc16.ko"),
  kernelModule("kernel/hid/a.ko", [], ["hid:b0003g*v0000[0-9A-F-]p*", "pci:v00001AF4d*sv*"]),
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-modules-"));
  const tree = new FileTree();
  tree.file(`${FOLDER}/modules.builtin`, "kernel/fs/fuse/fuse.ko\nkernel/drivers/char/virtio_console.ko\n");
  tree.file(
    `${FOLDER}/modules.builtin.modinfo`,
    "fuse.alias=fs-fuse\0fuse.license=GPL\0virtio_console.alias=virtio:d00000003v*\0",
  );
  tree.file(`${FOLDER}/modules.order`, "");
  writeModuleIndexes(tree, FOLDER, modules);
  // modprobe passes over what is not there.
  for (const { path, bytes } of modules) tree.file(`${FOLDER}/${path}`, bytes);
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "file") continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), contentBytes(node.content));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function modprobe(...args: string[]): string[] {
  const all = ["-C", "/dev/null", "-d", folder, "-S", RELEASE, ...args];
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const output = execFileSync("modprobe", all, {
    encoding: "utf8",
    env: { PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return output
    .trim()
    .split("\n")
    .map((line) => line.replace(`${folder}/${FOLDER}/`, "").trim());
}

describe("module indexes, judged by modprobe", () => {
  it.each(modules.map(({ name }) => name))("knows what to load for %s, and in what order", (name) => {
    const expected = loadOrder(modules, [name]).map(({ path }) => `insmod ${path}`);
    expect(modprobe("--show-depends", name)).toEqual(expected);
  });

  it("knows modules by either spelling and built-in ones", () => {
    expect(modprobe("--show-depends", "virtio-rng")).toEqual(["insmod kernel/drivers/char/virtio-rng.ko"]);
    expect(modprobe("--show-depends", "fuse")).toEqual(["builtin fuse"]);
    expect(() => modprobe("--show-depends", "absent")).toThrow(/not found/);
  });

  it.each([
    ["virtio:d00000001v00001AF4", "virtio_net"],
    ["virtio:d00000002v00001AF4", "virtio_blk"],
    ["virtio:d00000004v00001AF4", "virtio_rng"],
    ["fs-ext3", "ext4"],
    ["hid:b0003g0001v0000Ap5", "a"],
    ["pci:v00001AF4d00001000sv00", "a"],
    ["fs-fuse", "fuse"],
    ["virtio:d00000003v00001AF4", "virtio_console"],
  ])("resolves %s to %s", (alias, name) => {
    expect(modprobe("-R", alias)).toEqual([name]);
  });
});

it("orders modules so that each finds what it needs, and says what is missing", () => {
  const order = loadOrder(modules, ["virtio_net", "ext4"]).map(({ name }) => name);
  expect(order).toEqual(["failover", "net_failover", "virtio_net", "jbd2", "crc16", "ext4"]);
  expect(() => loadOrder(modules, ["btrfs"])).toThrow(/lacks the module btrfs/);
});

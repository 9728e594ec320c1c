/** The field's own tools look at what the disks wrote. A tool that is not installed fails the test. */
import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BlockBackend } from "@isomorph/interface";
import { seededRandom } from "@isomorph/interface/compliance";
import { expect, onTestFinished, test } from "vitest";
import { openFile } from "../src/node/file.ts";
import { overlay } from "../src/overlay.ts";
import { judge } from "./judge.ts";
import { noise, scratchFolder } from "./scratch.ts";

const MIB = 2 ** 20;

async function open(...args: Parameters<typeof openFile>): ReturnType<typeof openFile> {
  const disk = await openFile(...args);
  onTestFinished(() => disk.close().catch(() => {}));
  return disk;
}

/** An ext4 image with files in it, made by mkfs. */
function ext4Image(folder: string, size: number): string {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "a", "b"), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(tree, "a", `file-${i}`), noise(1 + i * 977, i));
  writeFileSync(join(tree, "a", "b", "large"), noise(3 * MIB, 50));
  const image = join(folder, "ext4.img");
  writeFileSync(image, "");
  judge("truncate", "-s", String(size), image);
  judge("mkfs.ext4", "-q", "-F", "-d", tree, image);
  return image;
}

/** Copies a disk by its extents, in pieces of odd sizes. */
async function copy(from: BlockBackend, to: BlockBackend): Promise<void> {
  const random = seededRandom(5);
  for (const { offset, length, kind } of await from.extents(0, from.size)) {
    for (let at = offset; at < offset + length; ) {
      const size = Math.min(512 * (1 + Math.floor(random() * 600)), offset + length - at);
      const piece = new Uint8Array(size);
      await from.read(at, piece);
      if (kind !== "data" || piece.every((byte) => byte === 0))
        await to.writeZeroes(at, size, { unmap: true });
      else await to.write(at, piece);
      at += size;
    }
  }
  await to.flush();
}

test("qemu-io reads the patterns that a file disk wrote", async () => {
  const disk = await open(join(scratchFolder(), "disk.img"), { create: { size: 5 * 2 ** 30 } });
  const ranges = [
    [0, 512, 0x11],
    [65536 - 512, 1024, 0x22],
    [2 ** 31 - 4096, 8192, 0x33],
    [2 ** 32 - 512, MIB, 0x44],
    [5 * 2 ** 30 - 512, 512, 0x55],
  ] as const;
  for (const [offset, length, value] of ranges) await disk.write(offset, new Uint8Array(length).fill(value));
  await disk.writeZeroes(2 ** 32, 65536);
  await disk.close();
  const commands = [
    ["read -P 0x11 0 512"],
    ["read -P 0 512 64512"],
    ["read -P 0x22 65024 1024"],
    ["read -P 0 66560 1M"],
    ["read -P 0x33 2147479552 8192"],
    ["read -P 0x44 4294966784 512"],
    ["read -P 0 4294967296 65536"],
    ["read -P 0x44 4295032832 512"],
    ["read -P 0x55 5368708608 512"],
  ].flat();
  const output = judge("qemu-io", "-f", "raw", ...commands.flatMap((command) => ["-c", command]), disk.path);
  expect(output).not.toMatch(/Pattern verification failed/);
  expect(output.match(/^read \d+\/\d+ bytes/gm)).toHaveLength(commands.length);
  expect(statSync(disk.path).blocks * 512).toBeLessThan(4 * MIB);
});

test("a file disk reads the patterns that qemu-io wrote", async () => {
  const path = join(scratchFolder(), "disk.img");
  judge("qemu-img", "create", "-q", "-f", "raw", path, "16M");
  judge("qemu-io", "-f", "raw", "-c", "write -P 0xa5 1M 64k", "-c", "write -P 0x5a 16776704 512", path);
  const disk = await open(path);
  const target = new Uint8Array(65536);
  await disk.read(MIB, target);
  expect(new Set(target)).toEqual(new Set([0xa5]));
  await disk.read(16 * MIB - 512, target.subarray(0, 512));
  expect(new Set(target.subarray(0, 512))).toEqual(new Set([0x5a]));
});

test("an ext4 file system copied through an overlay and a file disk is whole", async () => {
  const folder = scratchFolder();
  const image = ext4Image(folder, 32 * MIB);
  const base = await open(image, { readOnly: true });
  const layered = overlay(base);
  const target = await open(join(folder, "copy.img"), { create: { size: 32 * MIB } });
  await copy(layered, target);
  await target.close();
  await layered.close();
  judge("qemu-img", "compare", "-f", "raw", "-F", "raw", image, target.path);
  judge("e2fsck", "-fn", target.path);
});

test("an overlay's changes make the file system they are meant to make; the base stays", async () => {
  const folder = scratchFolder();
  const before = ext4Image(folder, 32 * MIB);
  const after = join(folder, "after.img");
  const untouched = join(folder, "untouched.img");
  copyFileSync(before, after);
  copyFileSync(before, untouched);
  const host = join(folder, "new-file");
  writeFileSync(host, noise(2 * MIB, 60));
  judge("debugfs", "-w", "-R", `write ${host} new-file`, after);
  judge("debugfs", "-w", "-R", "rm a/file-7", after);
  judge("e2fsck", "-fn", after);

  // The overlay takes only the blocks that differ; what it then shows must be the changed file system.
  const layered = overlay(await open(before, { readOnly: true }));
  const wanted = await open(after, { readOnly: true });
  const [one, two] = [new Uint8Array(4096), new Uint8Array(4096)];
  for (let offset = 0; offset < layered.size; offset += 4096) {
    await layered.read(offset, one);
    await wanted.read(offset, two);
    if (Buffer.compare(one, two) !== 0) await layered.write(offset, two);
  }
  expect(layered.stats().ownedBytes).toBeLessThan(8 * MIB);
  const result = await open(join(folder, "result.img"), { create: { size: 32 * MIB } });
  await copy(layered, result);
  await result.close();
  await layered.close();
  judge("e2fsck", "-fn", result.path);
  judge("qemu-img", "compare", "-f", "raw", "-F", "raw", after, result.path);
  judge("qemu-img", "compare", "-f", "raw", "-F", "raw", before, untouched);
  expect(judge("debugfs", "-R", "ls a", result.path)).not.toMatch(/file-7\b/);
});

import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { blockBackendCases } from "@isomorph/interface/compliance";
import { describe, expect, onTestFinished, test } from "vitest";
import { type FileDisk, openFile } from "../src/node/file.ts";
import { mediumSize } from "../src/node/medium-size.ts";
import { judge } from "./judge.ts";
import { noise, scratchFolder } from "./scratch.ts";

const MIB = 2 ** 20;

describe("openFile keeps the BlockBackend contract", () => {
  for (const blockSize of [512, 4096]) {
    describe(`blocks of ${blockSize}`, () => {
      const open = async ({ size, readOnly }: { size: number; readOnly: boolean }) => {
        const path = join(scratchFolder(), "disk.img");
        const disk = await openFile(path, { create: { size }, blockSize });
        if (!readOnly) return disk;
        await disk.write(0, noise(65536, 1));
        await disk.close();
        return openFile(path, { readOnly, blockSize });
      };
      const reopen = (closed: unknown) => openFile((closed as FileDisk).path, { blockSize });
      for (const { name, run } of blockBackendCases(open, { reopen })) test(name, run);
    });
  }
});

/** A new image and its path. */
async function newDisk(size: number = MIB): Promise<FileDisk> {
  const disk = await openFile(join(scratchFolder(), "disk.img"), { create: { size } });
  onTestFinished(() => disk.close().catch(() => {}));
  return disk;
}

describe("openFile", () => {
  test("creates a sparse file of the size, and only where there is none", async () => {
    const disk = await newDisk(8 * 2 ** 30);
    const { size, blocks } = statSync(disk.path);
    expect(size).toBe(8 * 2 ** 30);
    expect(blocks * 512).toBeLessThan(MIB);
    await disk.close();
    await expect(openFile(disk.path, { create: { size: MIB } })).rejects.toMatchObject({ code: "EEXIST" });
    expect(statSync(disk.path).size).toBe(8 * 2 ** 30);
    expect(existsSync(`${disk.path}.lock`)).toBe(false);
  });

  test("leaves no file where the host refuses the size", async () => {
    const path = join(scratchFolder(), "disk.img");
    const create = openFile(path, { create: { size: Math.floor(Number.MAX_SAFE_INTEGER / 512) * 512 } });
    await expect(create).rejects.toMatchObject({ code: "EFBIG" });
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test.each([
    ["an empty file", 0, "ERR_DISK_SIZE", /is empty/],
    ["a file that is cut off", 1000, "ERR_DISK_SIZE", /1000 bytes, not a multiple of the block size 512/],
  ])("refuses %s", async (_what, size, code, message) => {
    const path = join(scratchFolder(), "disk.img");
    writeFileSync(path, new Uint8Array(size));
    await expect(openFile(path)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("refuses what is not a disk, without waiting", async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, "folder"));
    judge("mkfifo", join(folder, "pipe"));
    const server = createServer().listen(join(folder, "socket"));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    for (const [path, what] of [
      [join(folder, "folder"), "a directory"],
      [join(folder, "pipe"), "a pipe"],
      [join(folder, "socket"), "a socket"],
      ["/dev/zero", "a character device"],
    ] as const) {
      for (const readOnly of [false, true]) {
        await expect(openFile(path, { readOnly })).rejects.toMatchObject({
          code: "ERR_DISK_TYPE",
          message: expect.stringContaining(what),
        });
      }
    }
  });

  test("passes on the host's code", async () => {
    const path = join(scratchFolder(), "none.img");
    await expect(openFile(path)).rejects.toMatchObject({
      code: "ENOENT",
      message: expect.stringContaining(path),
    });
    await expect(openFile(join(path, "x"), { create: { size: 512 } })).rejects.toMatchObject({
      code: "ENOENT",
    });
  });

  test("names misuse", async () => {
    const path = join(scratchFolder(), "disk.img");
    await expect(openFile(path, { readOnly: true, create: { size: 512 } })).rejects.toThrow(TypeError);
    await expect(openFile(path, { create: { size: 1000 } })).rejects.toThrow(RangeError);
    await expect(openFile(path, { blockSize: 100 })).rejects.toThrow(RangeError);
    expect(existsSync(path)).toBe(false);
  });

  test("gives up when the signal says so", async () => {
    const disk = await newDisk();
    await disk.close();
    const reason = new Error("enough");
    await expect(openFile(disk.path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const opening = openFile(disk.path, { signal: controller.signal });
    controller.abort(reason);
    await expect(opening).rejects.toBe(reason);
    expect(existsSync(`${disk.path}.lock`)).toBe(false);
  });

  test("the file's bytes are the disk's", async () => {
    const disk = await newDisk();
    await disk.write(4096, noise(8192, 2));
    await disk.close();
    const content = readFileSync(disk.path);
    expect(new Uint8Array(content.subarray(4096, 12288))).toEqual(noise(8192, 2));
    expect(content.subarray(0, 4096).every((byte) => byte === 0)).toBe(true);
  });

  test("a file that shrinks under the disk is an I/O error, never zeroes", async () => {
    const disk = await newDisk();
    truncateSync(disk.path, 4096);
    expect(() => disk.read(0, new Uint8Array(8192))).toThrow(expect.objectContaining({ code: "EIO" }));
    disk.read(0, new Uint8Array(4096));
  });

  test("zeroing with unmap keeps a sparse file sparse, and zeroes what is not", async () => {
    const disk = await newDisk(256 * MIB);
    await disk.write(100 * MIB, noise(MIB, 3));
    await disk.writeZeroes(0, 256 * MIB, { unmap: true });
    await disk.flush();
    expect(statSync(disk.path).blocks * 512).toBeLessThan(8 * MIB);
    const target = new Uint8Array(MIB).fill(1);
    disk.read(100 * MIB, target);
    expect(target.every((byte) => byte === 0)).toBe(true);
  });

  test("zeroing a large range lets the event loop turn", async () => {
    const disk = await newDisk(64 * MIB);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    onTestFinished(() => clearInterval(timer));
    const zeroing = disk.writeZeroes(0, 64 * MIB);
    expect(zeroing).toBeInstanceOf(Promise);
    await zeroing;
    expect(turns).toBeGreaterThan(4);
  });

  test("counts what it did", async () => {
    const disk = await newDisk();
    await disk.write(0, noise(4096, 4));
    disk.read(0, new Uint8Array(512));
    await Promise.all([disk.flush(), disk.flush(), disk.flush()]);
    expect(disk.stats()).toEqual({
      reads: 1,
      writes: 1,
      flushes: 3,
      syncs: 1,
      readBytes: 512,
      writtenBytes: 4096,
    });
  });

  test("closes its descriptor", async () => {
    const before = openSync("/dev/null", "r");
    closeSync(before);
    for (let i = 0; i < 20; i++) {
      const disk = await newDisk();
      await disk.close();
      await expect(openFile(disk.path, { blockSize: 2 * MIB })).rejects.toMatchObject({
        code: "ERR_DISK_SIZE",
      });
    }
    const after = openSync("/dev/null", "r");
    closeSync(after);
    expect(after).toBe(before);
  });

  test("follows a symbolic link to one lock", async () => {
    const disk = await newDisk();
    const link = join(scratchFolder(), "link.img");
    symlinkSync(disk.path, link);
    await expect(openFile(link)).rejects.toMatchObject({ code: "ERR_DISK_LOCKED" });
  });

  test("refuses to write a file with further names", async () => {
    const disk = await newDisk();
    await disk.close();
    linkSync(disk.path, `${disk.path}.2`);
    await expect(openFile(disk.path)).rejects.toMatchObject({ code: "ERR_DISK_LINKS" });
    await (await openFile(disk.path, { readOnly: true })).close();
    await (await openFile(disk.path, { lock: false })).close();
  });
});

test("mediumSize finds any end", () => {
  for (const sectors of [0, 1, 2, 3, 7, 8, 9, 1000, 4095, 4096, 2 ** 33, 2 ** 33 + 1, 12345678901]) {
    let reads = 0;
    const size = mediumSize((_target, position) => {
      reads++;
      return position < sectors * 512 ? 512 : 0;
    });
    expect(size).toBe(sectors * 512);
    expect(reads).toBeLessThan(100);
  }
});

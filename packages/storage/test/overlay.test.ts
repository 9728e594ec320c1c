import type { BlockBackend } from "@isomorph/interface";
import { blockBackendCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryDisk } from "../src/memory.ts";
import { overlay } from "../src/overlay.ts";
import { readOnlyView } from "../src/read-only.ts";
import { faultyDisk, recordingDisk } from "../src/testing.ts";
import { noise } from "./scratch.ts";
import { slowDisk } from "./slow-disk.ts";

const MIB = 2 ** 20;

/** A base with data in every sector of its first MiB. */
function fullBase(size: number): BlockBackend {
  const base = memoryDisk({ size });
  base.write(0, noise(Math.min(size, MIB), 99));
  return base;
}

async function bytesOf(disk: BlockBackend, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  await disk.read(offset, target);
  return target;
}

describe("overlay keeps the BlockBackend contract", () => {
  const kinds: Record<string, (size: number) => BlockBackend> = {
    "in memory": (size) => overlay(fullBase(size)),
    "over an asynchronous base": (size) => overlay(slowDisk(fullBase(size), 1)),
    "with an asynchronous top that held other data": (size) =>
      overlay(slowDisk(fullBase(size), 2), { top: slowDisk(fullBase(size), 3) }),
    "with a top of larger blocks": (size) =>
      overlay(fullBase(size), { top: memoryDisk({ size, blockSize: 4096 }) }),
    "on an overlay": (size) => overlay(overlay(fullBase(size))),
  };
  for (const [kind, open] of Object.entries(kinds)) {
    describe(kind, () => {
      for (const { name, run } of blockBackendCases(({ size }) => open(size), { canBeReadOnly: false })) {
        test(name, run);
      }
    });
  }
});

describe("overlay", () => {
  test("never changes its base", async () => {
    const base = recordingDisk(fullBase(MIB));
    const disk = overlay(base);
    await disk.write(512, noise(4096, 1));
    await disk.writeZeroes(65536, 65536, { unmap: true });
    await disk.discard(0, MIB);
    await disk.write(0, noise(512, 2), { fua: true });
    await disk.flush();
    expect(base.events).toEqual([]);
    expect(await bytesOf(base, 0, MIB)).toEqual(noise(MIB, 99));
    await disk.close();
  });

  test("shows the base until a block is written, block by block", async () => {
    const disk = overlay(fullBase(MIB));
    const expected = noise(MIB, 99);
    for (let offset = 0; offset < MIB; offset += 3 * 512) {
      await disk.write(offset, noise(512, offset));
      expected.set(noise(512, offset), offset);
    }
    expect(await bytesOf(disk, 0, MIB)).toEqual(expected);
    const blocks = Math.ceil(MIB / (3 * 512));
    expect(disk.stats()).toEqual({
      ownedBytes: blocks * 512,
      baseReadBytes: MIB - blocks * 512,
      topReadBytes: blocks * 512,
      writtenBytes: blocks * 512,
    });
  });

  test("a discarded block never shows the base's old data again", async () => {
    const base = memoryDisk({ size: MIB });
    base.write(0, new Uint8Array(MIB).fill(0xbb));
    const disk = overlay(base);
    await disk.write(0, new Uint8Array(MIB / 2).fill(0xaa));
    await disk.discard(0, MIB);
    const content = await bytesOf(disk, 0, MIB);
    expect(new Set(content.subarray(0, MIB / 2))).toEqual(new Set([0]));
    // Never written through the overlay: the advice is not taken.
    expect(new Set(content.subarray(MIB / 2))).toEqual(new Set([0xbb]));
  });

  test("zeroing a terabyte takes next to no memory", async () => {
    const top = memoryDisk({ size: 2 ** 40 });
    const disk = overlay(memoryDisk({ size: 2 ** 40 }), { top });
    await disk.writeZeroes(0, disk.size);
    await disk.writeZeroes(512, disk.size - 1024);
    expect(disk.stats().ownedBytes).toBe(2 ** 40);
    expect(top.stats().allocatedBytes).toBe(0);
    expect(await disk.extents(0, disk.size)).toEqual([{ offset: 0, length: 2 ** 40, kind: "zero" }]);
  });

  test("extents join the layers", async () => {
    const base = memoryDisk({ size: MIB });
    base.write(0, noise(0x2_0000, 5));
    const disk = overlay(base);
    await disk.write(0x1_0000, noise(0x1_0000, 6));
    await disk.write(0x4_0000, noise(512, 7));
    await disk.writeZeroes(0, 512);
    expect(await disk.extents(0, MIB)).toEqual([
      // The top's unit of allocation at 0 holds nothing but the zeroed block.
      { offset: 0, length: 512, kind: "zero" },
      { offset: 512, length: 0x2_0000 - 512, kind: "data" },
      { offset: 0x2_0000, length: 0x2_0000, kind: "hole" },
      { offset: 0x4_0000, length: 512, kind: "data" },
      { offset: 0x4_0200, length: MIB - 0x4_0200, kind: "hole" },
    ]);
  });

  test("a failed write leaves the base showing; the error is the top's", async () => {
    const top = faultyDisk(memoryDisk({ size: MIB }), ({ type }) =>
      type === "write" ? { code: "ENOSPC", torn: 512 } : undefined,
    );
    const disk = overlay(fullBase(MIB), { top });
    expect(() => disk.write(0, noise(4096, 8))).toThrow(expect.objectContaining({ code: "ENOSPC" }));
    expect(await bytesOf(disk, 0, 4096)).toEqual(noise(MIB, 99).subarray(0, 4096));
    expect(disk.stats().ownedBytes).toBe(0);
  });

  test("a split read that fails ends only when all its parts have ended", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slowTop = faultyDisk(memoryDisk({ size: MIB }), ({ type }) =>
      type === "read" ? { after: gate } : undefined,
    );
    const badBase = faultyDisk(fullBase(MIB), () => ({ code: "EIO" }));
    const disk = overlay(badBase, { top: slowTop });
    await disk.write(0, noise(512, 9));
    const target = new Uint8Array(1024).fill(0xee);
    let ended = false;
    const read = Promise.resolve(disk.read(0, target)).catch((error: unknown) => {
      ended = true;
      return error;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(ended).toBe(false);
    release();
    expect(await read).toMatchObject({ code: "EIO" });
    expect(target.subarray(0, 512)).toEqual(noise(512, 9));
  });

  test("every flush and fua reaches the top in order", async () => {
    const top = recordingDisk(memoryDisk({ size: MIB }));
    const disk = overlay(fullBase(MIB), { top });
    await disk.write(0, noise(512, 10));
    await disk.flush();
    await disk.write(512, noise(512, 11), { fua: true });
    await disk.writeZeroes(1024, 512, { fua: true });
    expect(top.events.filter(({ type }) => type !== "done")).toMatchObject([
      { type: "write", offset: 0, fua: false },
      { type: "flush" },
      { type: "write", offset: 512, fua: true },
      { type: "writeZeroes", offset: 1024, fua: true },
    ]);
  });

  test("close closes both layers, also when one fails", async () => {
    const closed: string[] = [];
    const layer = (name: string, fails: boolean): BlockBackend => ({
      ...recordingDisk(memoryDisk({ size: MIB })),
      close() {
        closed.push(name);
        if (fails) throw Object.assign(new Error(name), { code: "EIO" });
      },
    });
    const disk = overlay(layer("base", false), { top: layer("top", true) });
    expect(() => disk.close()).toThrow("top");
    expect(closed).toEqual(["top", "base"]);
    await disk.close();
    expect(closed).toEqual(["top", "base"]);
  });

  test("overlays share a base through views that keep it open", async () => {
    const base = fullBase(MIB);
    const one = overlay(readOnlyView(base, { keepOpen: true }));
    const two = overlay(readOnlyView(base, { keepOpen: true }));
    await one.write(0, noise(512, 12));
    await one.close();
    expect(await bytesOf(two, 0, 512)).toEqual(noise(MIB, 99).subarray(0, 512));
  });

  test("refuses a top that does not fit", () => {
    const base = memoryDisk({ size: MIB });
    expect(() => overlay(base, { top: memoryDisk({ size: MIB / 2 }) })).toThrow(RangeError);
    expect(() => overlay(base, { top: memoryDisk({ size: MIB, readOnly: true }) })).toThrow(RangeError);
    const odd = memoryDisk({ size: MIB + 512 });
    expect(() => overlay(odd, { top: memoryDisk({ size: 2 * MIB, blockSize: 4096 }) })).toThrow(RangeError);
  });
});

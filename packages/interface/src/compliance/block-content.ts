import type { BlockBackend, Extent } from "../block.ts";
import { filledWith, ok, same, sameBytes } from "./assert.ts";
import { DISK_SIZE, onDisk, pattern, readAt } from "./block-harness.ts";
import type { BlockBackendCaseOptions, OpenBlockBackend } from "./block-request.ts";
import type { ComplianceCase } from "./case.ts";
import { seededRandom } from "./random.ts";

/** Beyond what 32-bit signed and unsigned arithmetic can reach. */
const LARGE_SIZE = 5 * 2 ** 30;

/** Fails unless `extents` tile the range, and those that claim zeroes read as zeroes. */
async function checkExtents(disk: BlockBackend, offset: number, length: number): Promise<readonly Extent[]> {
  const extents = await disk.extents(offset, length);
  let position = offset;
  for (const extent of extents) {
    same(extent.offset, position, "offset of an extent");
    ok(extent.length > 0 && extent.length % disk.blockSize === 0, `an extent of ${extent.length} bytes`);
    ok(["data", "zero", "hole"].includes(extent.kind), `kind of an extent is ${extent.kind}`);
    position += extent.length;
  }
  same(position, offset + length, "end of the last extent");
  for (const extent of extents) {
    if (extent.kind === "data") continue;
    // Long runs are sampled at both ends.
    const sample = Math.min(extent.length, 0x1_0000);
    const end = extent.offset + extent.length;
    filledWith(await readAt(disk, extent.offset, sample), 0, `start of a ${extent.kind} extent`);
    filledWith(await readAt(disk, end - sample, sample), 0, `end of a ${extent.kind} extent`);
  }
  return extents;
}

/** What reads give after writes, discards and zeroing. */
export function contentCases(open: OpenBlockBackend, options: BlockBackendCaseOptions): ComplianceCase[] {
  const cases: ComplianceCase[] = [
    onDisk(open, "a read gives what was written, at every power of two", async (disk) => {
      for (let length = disk.blockSize; length <= DISK_SIZE; length *= 2) {
        for (const offset of new Set([0, Math.min(length, DISK_SIZE - length), DISK_SIZE - length])) {
          const source = pattern(length, offset + length);
          await disk.write(offset, source);
          sameBytes(await readAt(disk, offset, length), source, `${length} bytes at ${offset}`);
        }
      }
    }),

    onDisk(open, "a write leaves its neighbours", async (disk) => {
      const { blockSize } = disk;
      const content = pattern(DISK_SIZE, 7);
      await disk.write(0, content);
      // Around the start, the middle, likely chunk boundaries, and the end.
      for (const block of [
        0,
        1,
        7,
        8,
        0x1_0000 / blockSize - 1,
        0x1_0000 / blockSize,
        DISK_SIZE / blockSize - 1,
      ]) {
        const source = pattern(blockSize, 1000 + block);
        await disk.write(block * blockSize, source);
        content.set(source, block * blockSize);
      }
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
    }),

    onDisk(open, "a buffer that is a window is used exactly", async (disk) => {
      const { blockSize } = disk;
      const large = pattern(blockSize * 4, 8);
      await disk.write(blockSize, large.subarray(3, 3 + blockSize * 2));
      const target = new Uint8Array(blockSize * 4).fill(0x33);
      await disk.read(blockSize, target.subarray(5, 5 + blockSize * 2));
      sameBytes(target.subarray(5, 5 + blockSize * 2), large.subarray(3, 3 + blockSize * 2), "the window");
      filledWith(target.subarray(0, 5), 0x33, "bytes before the window");
      filledWith(target.subarray(5 + blockSize * 2), 0x33, "bytes after the window");
    }),

    onDisk(open, "a source may be changed after its write completed", async (disk) => {
      const source = pattern(DISK_SIZE, 9);
      const content = source.slice();
      await disk.write(0, source);
      source.fill(0);
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
      const target = await readAt(disk, 0, disk.blockSize);
      target.fill(0);
      sameBytes(
        await readAt(disk, 0, disk.blockSize),
        content.subarray(0, disk.blockSize),
        "the first block",
      );
    }),

    onDisk(open, "buffers in shared memory work", async (disk) => {
      // Guest RAM of a machine with several harts is a SharedArrayBuffer.
      const buffer = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true }).buffer;
      const source = new Uint8Array(buffer, 512, disk.blockSize * 2);
      const target = new Uint8Array(buffer, 0x2_0000, disk.blockSize * 2);
      source.set(pattern(source.length, 10));
      await disk.write(0, source);
      await disk.read(0, target);
      sameBytes(target, source, "the shared buffer");
    }),

    onDisk(open, "writeZeroes reads as zeroes, with and without unmap and fua", async (disk) => {
      const { blockSize } = disk;
      for (const unmap of [false, true]) {
        for (const fua of [false, true]) {
          const content = pattern(DISK_SIZE, 11);
          await disk.write(0, content);
          // One range inside a chunk, one across chunks, one whole chunk and the end.
          for (const [offset, length] of [
            [blockSize, blockSize * 2],
            [0x1_0000 - blockSize, 0x2_0000 + blockSize * 2],
            [0x8_0000, 0x1_0000],
            [DISK_SIZE - blockSize, blockSize],
          ] as const) {
            await disk.writeZeroes(offset, length, { unmap, fua });
            content.fill(0, offset, offset + length);
          }
          sameBytes(await readAt(disk, 0, DISK_SIZE), content, `the disk (unmap ${unmap}, fua ${fua})`);
        }
      }
      await disk.writeZeroes(0, DISK_SIZE);
      filledWith(await readAt(disk, 0, DISK_SIZE), 0, "the disk after zeroing it all");
    }),

    onDisk(open, "a discarded block reads as before or as zeroes, its neighbours as before", async (disk) => {
      const { blockSize } = disk;
      const content = pattern(DISK_SIZE, 12);
      await disk.write(0, content);
      for (const [offset, length] of [
        [blockSize, blockSize],
        [0x1_0000 - blockSize, 0x2_0000 + blockSize * 2],
        [0x8_0000, 0x1_0000],
        [DISK_SIZE - blockSize, blockSize],
      ] as const) {
        await disk.discard(offset, length);
        await adoptDiscard(disk, content, offset, length);
      }
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
      await disk.discard(0, DISK_SIZE);
      await adoptDiscard(disk, content, 0, DISK_SIZE);
    }),

    onDisk(open, "a block written again after discard and zeroing holds the new bytes", async (disk) => {
      const source = pattern(0x2_0000, 13);
      await disk.write(0, pattern(0x2_0000, 14));
      await disk.discard(0, 0x2_0000);
      await disk.write(0, source);
      sameBytes(await readAt(disk, 0, 0x2_0000), source, "bytes after discard");
      await disk.writeZeroes(0, 0x2_0000, { unmap: true });
      await disk.write(disk.blockSize, source.subarray(0, disk.blockSize));
      filledWith(await readAt(disk, 0, disk.blockSize), 0, "the zeroed block before");
      sameBytes(
        await readAt(disk, disk.blockSize, disk.blockSize),
        source.subarray(0, disk.blockSize),
        "the block written after zeroing",
      );
      filledWith(await readAt(disk, 2 * disk.blockSize, disk.blockSize), 0, "the zeroed block after");
    }),

    onDisk(open, "extents tile the range and tell the truth about zeroes", async (disk) => {
      const { blockSize } = disk;
      await disk.writeZeroes(0, DISK_SIZE, { unmap: true });
      await disk.write(0x3_0000, pattern(0x1_0000, 15));
      await disk.write(0x8_0000 + blockSize, pattern(blockSize, 16));
      await disk.discard(0x3_0000, 0x8000);
      for (const [offset, length] of [
        [0, DISK_SIZE],
        [blockSize, blockSize],
        [0x3_8000, 0x5_8000 + blockSize * 2],
        [DISK_SIZE - blockSize, blockSize],
      ] as const) {
        await checkExtents(disk, offset, length);
      }
    }),

    onDisk(open, "flush is idempotent and can be called at any time", async (disk) => {
      await disk.flush();
      await disk.flush();
      await disk.write(0, pattern(disk.blockSize, 17));
      await Promise.all([disk.flush(), disk.flush(), disk.flush()]);
      sameBytes(await readAt(disk, 0, disk.blockSize), pattern(disk.blockSize, 17), "the first block");
    }),

    onDisk(open, "a write with fua is a write", async (disk) => {
      const source = pattern(0x2_0000, 18);
      await disk.write(0x1_0000, source, { fua: true });
      await disk.write(0x1_0000, source.subarray(0, disk.blockSize), { fua: false });
      sameBytes(await readAt(disk, 0x1_0000, 0x2_0000), source, "the range");
    }),

    onDisk(open, "a thousand random calls agree with a model", async (disk) => {
      const random = seededRandom(0xb10c);
      const blocks = DISK_SIZE / disk.blockSize;
      const model = await readAt(disk, 0, DISK_SIZE);
      for (let step = 0; step < 1000; step++) {
        const first = Math.floor(random() * blocks);
        const count = 1 + Math.floor(random() ** 3 * (blocks - first));
        const offset = first * disk.blockSize;
        const length = Math.min(count * disk.blockSize, DISK_SIZE - offset);
        const choice = random();
        if (choice < 0.4) {
          const source = pattern(length, step);
          await disk.write(offset, source, { fua: choice < 0.02 });
          model.set(source, offset);
        } else if (choice < 0.5) {
          await disk.writeZeroes(offset, length, { unmap: choice < 0.45 });
          model.fill(0, offset, offset + length);
        } else if (choice < 0.6) {
          await disk.discard(offset, length);
          await adoptDiscard(disk, model, offset, length);
        } else if (choice < 0.63) {
          await checkExtents(disk, offset, length);
        } else if (choice < 0.64) {
          await disk.flush();
        } else {
          const expected = model.subarray(offset, offset + length);
          sameBytes(
            await readAt(disk, offset, length),
            expected,
            `step ${step}: ${length} bytes at ${offset}`,
          );
        }
      }
      sameBytes(await readAt(disk, 0, DISK_SIZE), model, "the disk at the end");
    }),
  ];

  if (LARGE_SIZE <= (options.maxSize ?? Number.POSITIVE_INFINITY)) {
    const check = async (disk: BlockBackend): Promise<void> => {
      const { blockSize } = disk;
      const offsets = [
        0,
        2 ** 31 - blockSize,
        2 ** 31,
        2 ** 32 - blockSize,
        2 ** 32,
        LARGE_SIZE - 2 * blockSize,
      ];
      for (const offset of offsets) await disk.write(offset, pattern(2 * blockSize, offset / blockSize));
      // Neighbouring pairs overlap by one block: the later one's bytes count.
      for (const offset of offsets) {
        const overwritten = offsets.includes(offset + blockSize);
        const length = overwritten ? blockSize : 2 * blockSize;
        const expected = pattern(2 * blockSize, offset / blockSize).subarray(0, length);
        sameBytes(await readAt(disk, offset, length), expected, `bytes at ${offset}`);
      }
      await checkExtents(disk, 2 ** 32 - 0x10_0000, 0x20_0000);
      await disk.writeZeroes(2 ** 32 - blockSize, 2 * blockSize, { unmap: true });
      filledWith(await readAt(disk, 2 ** 32 - blockSize, 2 * blockSize), 0, "zeroed bytes across 4 GiB");
      sameBytes(await readAt(disk, 0, blockSize), pattern(blockSize, 0), "the first block");
    };
    cases.push(onDisk(open, "offsets beyond 2 GiB and 4 GiB are exact", check, LARGE_SIZE));
  }

  const { reopen } = options;
  if (reopen !== undefined) {
    cases.push({
      name: "what was written is there after close and open",
      run: async () => {
        const disk = await open({ size: DISK_SIZE, readOnly: false });
        const content = pattern(DISK_SIZE, 19);
        await disk.write(0, content);
        await disk.writeZeroes(0x4_0000, 0x1_0000);
        content.fill(0, 0x4_0000, 0x5_0000);
        await disk.close();
        const again = await reopen(disk);
        try {
          same(again.size, DISK_SIZE, "size after reopening");
          sameBytes(await readAt(again, 0, DISK_SIZE), content, "the disk after reopening");
        } finally {
          await again.close();
        }
      },
    });
  }
  return cases;
}

/** Checks that each block in the range is `model`'s or zeroes, and puts what it is into `model`. */
async function adoptDiscard(
  disk: BlockBackend,
  model: Uint8Array,
  offset: number,
  length: number,
): Promise<void> {
  const actual = await readAt(disk, offset, length);
  for (let at = 0; at < length; at += disk.blockSize) {
    const block = actual.subarray(at, at + disk.blockSize);
    const before = model.subarray(offset + at, offset + at + disk.blockSize);
    if (block.some((byte) => byte !== 0)) sameBytes(block, before, `discarded block at ${offset + at}`);
    before.set(block);
  }
}

import type { BlockBackend } from "../block.ts";
import { failsWithCode, failsWithRangeError, filledWith, ok, same, sameBytes } from "./assert.ts";
import { DISK_SIZE, onDisk, pattern, readAt } from "./block-harness.ts";
import type { BlockBackendCaseOptions, OpenBlockBackend } from "./block-request.ts";
import type { ComplianceCase } from "./case.ts";

/** Offset and length pairs that break the contract on a disk of {@link DISK_SIZE}. */
function badRanges(blockSize: number): (readonly [number, number])[] {
  return [
    [1, blockSize],
    [blockSize / 2, blockSize],
    [0, 1],
    [0, blockSize - 1],
    [0, blockSize + 1],
    [-blockSize, blockSize],
    [DISK_SIZE, blockSize],
    [DISK_SIZE - blockSize, 2 * blockSize],
    [0, DISK_SIZE + blockSize],
    [2 ** 32, blockSize],
    [2 ** 52, blockSize],
    [2 ** 53, blockSize],
    [0.5, blockSize],
    [Number.NaN, blockSize],
    [Number.POSITIVE_INFINITY, blockSize],
    [Number.NEGATIVE_INFINITY, blockSize],
  ];
}

/** Lengths that only calls without a buffer can be given. */
function badLengths(blockSize: number): number[] {
  return [-blockSize, blockSize / 2, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53];
}

type Call = (offset: number, length: number) => unknown;

function rangeCalls(disk: BlockBackend): Record<"discard" | "writeZeroes" | "extents", Call> {
  return {
    discard: (offset, length) => disk.discard(offset, length),
    writeZeroes: (offset, length) => disk.writeZeroes(offset, length),
    extents: (offset, length) => disk.extents(offset, length),
  };
}

/** Calls that change the disk, at block 1. */
function changes(disk: BlockBackend): Record<string, () => unknown> {
  const { blockSize } = disk;
  return {
    write: () => disk.write(blockSize, new Uint8Array(blockSize)),
    "write with fua": () => disk.write(blockSize, new Uint8Array(blockSize), { fua: true }),
    discard: () => disk.discard(blockSize, blockSize),
    writeZeroes: () => disk.writeZeroes(blockSize, blockSize),
    "writeZeroes with unmap": () => disk.writeZeroes(blockSize, blockSize, { unmap: true }),
  };
}

/** Geometry, refused ranges, read-only disks, and life after close. */
export function limitCases(open: OpenBlockBackend, options: BlockBackendCaseOptions): ComplianceCase[] {
  const cases: ComplianceCase[] = [
    onDisk(open, "has the size asked for and a block size that divides it", async (disk) => {
      same(disk.size, DISK_SIZE, "size");
      same(disk.readOnly, false, "readOnly");
      ok(
        disk.blockSize >= 512 && Number.isInteger(Math.log2(disk.blockSize)),
        `blockSize is ${disk.blockSize}`,
      );
      same(disk.size % disk.blockSize, 0, "size modulo blockSize");
    }),

    onDisk(open, "a read outside or off the blocks is a RangeError and leaves the buffer", async (disk) => {
      for (const [offset, length] of badRanges(disk.blockSize)) {
        const target = new Uint8Array(length).fill(0x77);
        await failsWithRangeError(() => disk.read(offset, target), `read(${offset}, ${length} bytes)`);
        filledWith(target, 0x77, `buffer of a refused read(${offset}, ${length} bytes)`);
      }
    }),

    onDisk(open, "a write outside or off the blocks is a RangeError and changes nothing", async (disk) => {
      const content = pattern(DISK_SIZE, 1);
      await disk.write(0, content);
      for (const [offset, length] of badRanges(disk.blockSize)) {
        const source = new Uint8Array(length).fill(0x77);
        for (const fua of [false, true]) {
          const call = (): unknown => disk.write(offset, source, { fua });
          await failsWithRangeError(call, `write(${offset}, ${length} bytes, fua ${fua})`);
        }
      }
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
    }),

    onDisk(open, "discard, writeZeroes and extents refuse bad ranges and change nothing", async (disk) => {
      const content = pattern(DISK_SIZE, 2);
      await disk.write(0, content);
      const ranges = badRanges(disk.blockSize);
      for (const length of badLengths(disk.blockSize)) ranges.push([0, length], [disk.blockSize, length]);
      for (const [name, call] of Object.entries(rangeCalls(disk))) {
        for (const [offset, length] of ranges) {
          await failsWithRangeError(() => call(offset, length), `${name}(${offset}, ${length})`);
        }
      }
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
    }),

    onDisk(open, "empty ranges are allowed and change nothing", async (disk) => {
      const content = pattern(disk.blockSize, 3);
      await disk.write(0, content);
      for (const offset of [0, disk.blockSize, DISK_SIZE]) {
        await disk.read(offset, new Uint8Array(0));
        await disk.write(offset, new Uint8Array(0));
        await disk.discard(offset, 0);
        await disk.writeZeroes(offset, 0);
        same((await disk.extents(offset, 0)).length, 0, "number of extents in an empty range");
      }
      sameBytes(await readAt(disk, 0, disk.blockSize), content, "the first block");
    }),

    {
      name: "close is idempotent, and calls after it fail with EBADF",
      run: async () => {
        const disk = await open({ size: DISK_SIZE, readOnly: false });
        const { blockSize } = disk;
        await disk.write(0, pattern(blockSize, 4));
        await disk.close();
        await disk.close();
        const calls: Record<string, () => unknown> = {
          ...changes(disk),
          read: () => disk.read(0, new Uint8Array(blockSize)),
          flush: () => disk.flush(),
          extents: () => disk.extents(0, blockSize),
        };
        for (const [name, call] of Object.entries(calls)) {
          await failsWithCode(call, "EBADF", `${name} after close`);
        }
        await disk.close();
      },
    },

    {
      name: "two closes at once both complete",
      run: async () => {
        const disk = await open({ size: DISK_SIZE, readOnly: false });
        await disk.write(0, pattern(disk.blockSize, 5));
        await Promise.all([disk.close(), disk.close()]);
      },
    },

    {
      name: "close waits for calls in flight",
      run: async () => {
        const disk = await open({ size: DISK_SIZE, readOnly: false });
        const calls = [
          disk.write(0, pattern(DISK_SIZE, 6)),
          disk.flush(),
          disk.writeZeroes(0, DISK_SIZE),
          disk.read(0, new Uint8Array(DISK_SIZE)),
        ];
        await Promise.all([...calls, disk.close()]);
      },
    },
  ];

  if (options.canBeReadOnly !== false) {
    const check = async (disk: BlockBackend): Promise<void> => {
      same(disk.readOnly, true, "readOnly");
      const before = await readAt(disk, 0, DISK_SIZE);
      for (const [name, call] of Object.entries(changes(disk))) {
        await failsWithCode(call, "EROFS", `${name} on a read-only disk`);
      }
      await disk.flush();
      sameBytes(await readAt(disk, 0, DISK_SIZE), before, "the disk");
      const extents = await disk.extents(0, DISK_SIZE);
      same(
        extents.reduce((sum, extent) => sum + extent.length, 0),
        DISK_SIZE,
        "bytes in extents",
      );
    };
    cases.push(onDisk(open, "a read-only disk refuses every change with EROFS", check, DISK_SIZE, true));
  }
  return cases;
}

import type { BlockBackend } from "../block.ts";
import { ok, sameBytes } from "./assert.ts";
import { DISK_SIZE, onDisk, pattern, readAt } from "./block-harness.ts";
import type { OpenBlockBackend } from "./block-request.ts";
import type { ComplianceCase } from "./case.ts";
import { seededRandom } from "./random.ts";

/** What a disk may hold at each block while calls overlap: fill bytes, one per block. */
class PossibleBlocks {
  readonly #possible: Set<number>[];

  constructor(count: number) {
    this.#possible = Array.from({ length: count }, () => new Set([0]));
  }

  /** A write of `value` to the blocks was issued. */
  issued(first: number, count: number, value: number): void {
    for (let block = first; block < first + count; block++) this.#possible[block]?.add(value);
  }

  /** Each block must hold one possible value in all its bytes; that value is now the only one. */
  settle(disk: BlockBackend, content: Uint8Array): void {
    this.#possible.forEach((possible, block) => {
      const bytes = content.subarray(block * disk.blockSize, (block + 1) * disk.blockSize);
      const value = bytes[0] ?? 0;
      ok(possible.has(value), `block ${block} holds ${value}, which was not written there`);
      ok(
        bytes.every((byte) => byte === value),
        `block ${block} holds bytes of two writes`,
      );
      possible.clear();
      possible.add(value);
    });
  }
}

/** Calls that overlap in time. */
export function concurrencyCases(open: OpenBlockBackend): ComplianceCase[] {
  return [
    onDisk(open, "writes to different places at the same time all arrive", async (disk) => {
      const { blockSize } = disk;
      const content = pattern(DISK_SIZE, 20);
      const calls: unknown[] = [];
      // Odd lengths, so that neighbours share every larger unit an implementation may work in.
      for (let offset = 0, step = 1; offset < DISK_SIZE; step++) {
        const length = Math.min(((step % 5) + 1) * blockSize, DISK_SIZE - offset);
        calls.push(disk.write(offset, content.subarray(offset, offset + length)));
        offset += length;
      }
      await Promise.all(calls);
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
    }),

    onDisk(open, "writes and zeroing of neighbouring blocks at the same time do not mix", async (disk) => {
      const { blockSize } = disk;
      const content = pattern(DISK_SIZE, 21);
      await disk.write(0, content);
      const calls: unknown[] = [];
      for (let block = 0; block < 256 && block < DISK_SIZE / blockSize; block++) {
        const offset = block * blockSize;
        if (block % 2 === 0) {
          calls.push(disk.writeZeroes(offset, blockSize, { unmap: block % 4 === 0 }));
          content.fill(0, offset, offset + blockSize);
        } else {
          const source = pattern(blockSize, block);
          calls.push(disk.write(offset, source));
          content.set(source, offset);
        }
      }
      await Promise.all(calls);
      sameBytes(await readAt(disk, 0, DISK_SIZE), content, "the disk");
    }),

    onDisk(open, "overlapping writes leave either one's bytes in each block", async (disk) => {
      const random = seededRandom(0xc0c0);
      const blocks = DISK_SIZE / disk.blockSize;
      const possible = new PossibleBlocks(blocks);
      await disk.writeZeroes(0, DISK_SIZE);
      let value = 0;
      for (let round = 0; round < 20; round++) {
        const calls: unknown[] = [];
        for (let i = 0; i < 16; i++) {
          const first = Math.floor(random() * blocks);
          const count = 1 + Math.floor(random() * Math.min(blocks - first, 64));
          const offset = first * disk.blockSize;
          const length = Math.min(count * disk.blockSize, DISK_SIZE - offset);
          const choice = random();
          if (choice < 0.6) {
            value = (value % 255) + 1;
            calls.push(disk.write(offset, new Uint8Array(length).fill(value), { fua: choice < 0.05 }));
            possible.issued(first, length / disk.blockSize, value);
          } else if (choice < 0.75) {
            calls.push(disk.writeZeroes(offset, length, { unmap: choice < 0.7 }));
            possible.issued(first, length / disk.blockSize, 0);
          } else if (choice < 0.8) {
            calls.push(disk.discard(offset, length));
            possible.issued(first, length / disk.blockSize, 0);
          } else if (choice < 0.9) {
            calls.push(disk.flush());
          } else {
            calls.push(disk.read(offset, new Uint8Array(length)));
          }
        }
        await Promise.all(calls);
        possible.settle(disk, await readAt(disk, 0, DISK_SIZE));
      }
    }),

    onDisk(open, "a read after a completed write sees it while other calls are in flight", async (disk) => {
      const { blockSize } = disk;
      const inFlight: unknown[] = [];
      for (let round = 0; round < Math.min(32, DISK_SIZE / 2 / blockSize); round++) {
        const source = pattern(blockSize, 300 + round);
        inFlight.push(disk.write(0x8_0000 + round * blockSize, source));
        await disk.write(round * blockSize, source);
        inFlight.push(disk.flush());
        sameBytes(await readAt(disk, round * blockSize, blockSize), source, `block ${round}`);
      }
      await Promise.all(inFlight);
    }),
  ];
}

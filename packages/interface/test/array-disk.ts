import type { BlockBackend, Extent, WriteOptions, WriteZeroesOptions } from "@isomorph/interface";

/** Mistakes that {@link arrayDisk} can be made with; the compliance cases must see each one. */
export const DISK_MISTAKES = [
  "accepts unaligned ranges",
  "accepts ranges beyond the end",
  "throws a plain Error on a bad range",
  "changes the disk before it refuses",
  "short read",
  "ignores the window of the source",
  "writes to neighbours",
  "keeps the source",
  "zeroes too little",
  "zeroing with unmap does nothing",
  "zeroing takes the neighbour",
  "discard leaves other bytes",
  "discard takes the neighbour",
  "extents leave a gap",
  "extents overlap",
  "extents call data zero",
  "extents of an empty range",
  "no error after close",
  "wrong code after close",
  "close throws the second time",
  "close does not wait",
  "writable though read-only",
  "wrong code when read-only",
  "claims to be writable",
  "read-modify-write of larger units",
  "late writes",
  "tears blocks",
  "32-bit offsets",
  "forgets at close",
] as const;

export type DiskMistake = (typeof DISK_MISTAKES)[number];

const BLOCK = 512;
const UNIT = 4096;
const media = new WeakMap<BlockBackend, Map<number, Uint8Array>>();

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

/** Opens what a closed {@link arrayDisk} held. */
export function reopenArrayDisk(closed: BlockBackend): BlockBackend {
  return arrayDisk({ size: closed.size, readOnly: false }, undefined, media.get(closed));
}

/** The plainest disk there is: a map of blocks, all calls asynchronous. With a mistake it breaks the contract. */
export function arrayDisk(
  { size, readOnly }: { size: number; readOnly: boolean },
  mistake?: DiskMistake,
  medium: Map<number, Uint8Array> = new Map(),
): BlockBackend {
  let closed = false;
  let inFlight = 0;
  const is = (one: DiskMistake): boolean => mistake === one;

  const blockAt = (offset: number): number => (is("32-bit offsets") ? (offset | 0) / BLOCK : offset / BLOCK);
  const load = (offset: number): Uint8Array => medium.get(blockAt(offset)) ?? new Uint8Array(BLOCK);
  const store = (offset: number, bytes: Uint8Array): void => {
    medium.set(blockAt(offset), is("keeps the source") ? bytes : bytes.slice());
  };

  function check(offset: number, length: number, changes: boolean): void {
    if (closed && !is("no error after close")) fail(is("wrong code after close") ? "EIO" : "EBADF");
    const aligned = is("accepts unaligned ranges") || (offset % BLOCK === 0 && length % BLOCK === 0);
    const inside =
      offset >= 0 && length >= 0 && (is("accepts ranges beyond the end") || offset + length <= size);
    if (!aligned || !inside) {
      if (is("changes the disk before it refuses") && changes) store(0, new Uint8Array(BLOCK).fill(0x77));
      throw is("throws a plain Error on a bad range") ? new Error("range") : new RangeError("range");
    }
    if (changes && readOnly && !is("writable though read-only")) {
      fail(is("wrong code when read-only") ? "EPERM" : "EROFS");
    }
  }

  async function carryOut(run: () => void | Promise<void>): Promise<void> {
    inFlight++;
    try {
      await pause();
      if (closed && is("close does not wait")) fail("EBADF");
      await run();
    } finally {
      inFlight--;
    }
  }

  function fill(offset: number, length: number, value: number): void {
    for (let at = offset; at < offset + length; at += BLOCK) store(at, new Uint8Array(BLOCK).fill(value));
  }

  const disk: BlockBackend = {
    size,
    blockSize: BLOCK,
    readOnly: readOnly && !is("claims to be writable"),
    async read(offset: number, target: Uint8Array) {
      check(offset, target.length, false);
      await carryOut(() => {
        const length = is("short read") && target.length > UNIT ? target.length - BLOCK : target.length;
        for (let at = 0; at < length; at += BLOCK) target.set(load(offset + at).subarray(0, length - at), at);
      });
    },
    async write(offset: number, given: Uint8Array, _options?: WriteOptions) {
      check(offset, given.length, true);
      const source = is("ignores the window of the source")
        ? new Uint8Array(given.buffer, 0, given.length)
        : given;
      const storeAll = (): void => {
        for (let at = 0; at < source.length; at += BLOCK) store(offset + at, source.subarray(at, at + BLOCK));
      };
      const run = (): void | Promise<void> => {
        if (is("read-modify-write of larger units")) return rewrite();
        storeAll();
        if (is("writes to neighbours") && offset + source.length < size)
          fill(offset + source.length, BLOCK, 9);
        if (is("tears blocks")) return tear();
      };
      const tear = async (): Promise<void> => {
        for (let at = 0; at < source.length; at += BLOCK) {
          const block = load(offset + at).slice();
          block.set(source.subarray(at, at + BLOCK / 2));
          store(offset + at, block);
        }
        for (let turn = source.length % 7; turn >= 0; turn--) await pause();
        for (let at = 0; at < source.length; at += BLOCK) {
          const block = load(offset + at).slice();
          block.set(source.subarray(at + BLOCK / 2, at + BLOCK), BLOCK / 2);
          store(offset + at, block);
        }
      };
      const rewrite = async (): Promise<void> => {
        const first = Math.floor(offset / UNIT) * UNIT;
        const end = Math.min(size, Math.ceil((offset + source.length) / UNIT) * UNIT);
        const old: Uint8Array[] = [];
        for (let at = first; at < end; at += BLOCK) old.push(load(at));
        await pause();
        old.forEach((block, index) => {
          store(first + index * BLOCK, block);
        });
        storeAll();
      };
      if (is("late writes")) void carryOut(run);
      else await carryOut(run);
    },
    async flush() {
      check(0, 0, false);
      await carryOut(() => {});
    },
    async discard(offset: number, length: number) {
      check(offset, length, true);
      await carryOut(() => {
        fill(offset, length, is("discard leaves other bytes") ? 3 : 0);
        if (is("discard takes the neighbour") && offset >= BLOCK) fill(offset - BLOCK, BLOCK, 0);
      });
    },
    async writeZeroes(offset: number, length: number, options?: WriteZeroesOptions) {
      check(offset, length, true);
      await carryOut(() => {
        if (is("zeroing with unmap does nothing") && options?.unmap === true) return;
        fill(offset, is("zeroes too little") ? length - BLOCK : length, 0);
        if (is("zeroing takes the neighbour") && offset + length < size) fill(offset + length, BLOCK, 0);
      });
    },
    async extents(offset: number, length: number): Promise<readonly Extent[]> {
      check(offset, length, false);
      if (length === 0 && !is("extents of an empty range")) return [];
      if (is("extents call data zero")) return [{ offset, length, kind: "zero" }];
      const half = Math.floor(length / BLOCK / 2) * BLOCK;
      if (half === 0) return [{ offset, length, kind: "data" }];
      const skip = is("extents leave a gap") ? BLOCK : is("extents overlap") ? -BLOCK : 0;
      return [
        { offset, length: half, kind: "data" },
        { offset: offset + half + skip, length: length - half - skip, kind: "data" },
      ];
    },
    async close() {
      if (closed && is("close throws the second time")) fail("EBADF");
      const waits = !closed;
      closed = true;
      while (waits && inFlight > 0 && !is("close does not wait")) await pause();
      if (is("forgets at close")) medium.clear();
    },
  };
  media.set(disk, medium);
  return disk;
}

import type { BlockBackend } from "@isomorph/interface";

function failure(code: string): Error {
  return Object.assign(new Error(`disk: ${code}`), { code });
}

/** What a disk of these tests records and lets a test hold back. */
export interface TestDisk extends BlockBackend {
  readonly bytes: Uint8Array;
  /** Calls in order, such as `read 0 512`. */
  readonly calls: string[];
  /** When set, the next calls fail with it. */
  failure: Error | undefined;
}

/** A disk in memory that completes at once. */
export function ramDisk(size: number, options: { blockSize?: number; readOnly?: boolean } = {}): TestDisk {
  const { blockSize = 512, readOnly = false } = options;
  const bytes = new Uint8Array(size);
  const calls: string[] = [];
  let closed = false;
  const enter = (call: string, offset: number, length: number, changes: boolean): void => {
    if (closed) throw failure("EBADF");
    if (
      offset % blockSize !== 0 ||
      length % blockSize !== 0 ||
      !(offset >= 0 && length >= 0 && offset + length <= size)
    ) {
      throw new RangeError(`disk: ${length} bytes at ${offset}`);
    }
    if (changes && readOnly) throw failure("EROFS");
    calls.push(`${call} ${offset} ${length}`);
    if (disk.failure !== undefined) throw disk.failure;
  };
  const disk: TestDisk = {
    size,
    blockSize,
    readOnly,
    copiesAtOnce: true,
    bytes,
    calls,
    failure: undefined,
    read(offset, target) {
      enter("read", offset, target.length, false);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write(offset, source, writeOptions) {
      enter(writeOptions?.fua === true ? "write+fua" : "write", offset, source.length, true);
      bytes.set(source, offset);
    },
    flush() {
      enter("flush", 0, 0, false);
    },
    discard(offset, length) {
      enter("discard", offset, length, true);
      bytes.fill(0, offset, offset + length);
    },
    writeZeroes(offset, length, writeOptions) {
      enter(writeOptions?.unmap === true ? "unmap" : "zero", offset, length, true);
      bytes.fill(0, offset, offset + length);
    },
    extents(offset, length) {
      enter("extents", offset, length, false);
      return length === 0 ? [] : [{ offset, length, kind: "data" }];
    },
    close() {
      closed = true;
    },
  };
  return disk;
}

/** A disk whose calls take effect and complete when a test says so, in any order. */
export function slowDisk(size: number): TestDisk & {
  /** Calls that wait. */
  readonly waiting: number;
  /** Carries out the waiting call at `index`, or fails it. */
  finish(index: number, error?: Error): Promise<void>;
} {
  const disk = ramDisk(size);
  const queue: { start: () => void; resolve: () => void; reject: (error: Error) => void }[] = [];
  const later =
    <A extends unknown[]>(call: (...args: A) => unknown) =>
    (...args: A): Promise<void> =>
      new Promise((resolve, reject) => {
        queue.push({ start: () => void call(...args), resolve, reject });
      });
  return {
    ...disk,
    copiesAtOnce: false,
    read: later(disk.read),
    write: later(disk.write),
    flush: later(disk.flush),
    discard: later(disk.discard),
    writeZeroes: later(disk.writeZeroes),
    get waiting() {
      return queue.length;
    },
    async finish(index, error) {
      const [call] = queue.splice(index, 1);
      if (call === undefined) throw new RangeError(`no call ${index}`);
      if (error === undefined) {
        call.start();
        call.resolve();
      } else call.reject(error);
      await new Promise((resolve) => setTimeout(resolve, 0));
    },
  };
}

import { closeSync, fdatasync, readSync, writeSync } from "node:fs";

/**
 * The calls that a file disk makes on its file. A seam: the crash tests put a medium behind it that loses power.
 *
 * `read` and `write` may transfer less than asked for, never nothing before the end of the file.
 */
export interface HostFile {
  /** Reads into `target[at, at + count)` from byte `position`; gives the bytes read, 0 at the end of the file. */
  read(target: Uint8Array, at: number, count: number, position: number): number;
  /** Writes `source[at, at + count)` at byte `position`; gives the bytes written. */
  write(source: Uint8Array, at: number, count: number, position: number): number;
  /** Makes all that was written before the call durable; never calls back before it returns. */
  sync(done: (error: Error | null) => void): void;
  close(): void;
}

/** The file behind a descriptor. */
export function hostFile(fd: number): HostFile {
  return {
    read: (target, at, count, position) => uninterrupted(() => readSync(fd, target, at, count, position)),
    write: (source, at, count, position) => uninterrupted(() => writeSync(fd, source, at, count, position)),
    sync: (done) => fdatasync(fd, done),
    close: () => closeSync(fd),
  };
}

/** Repeats a call that a signal interrupted. */
function uninterrupted(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EINTR") throw error;
    }
  }
}

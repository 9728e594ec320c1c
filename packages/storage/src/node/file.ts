/**
 * Disks in files and on block devices of the host.
 *
 * @packageDocumentation
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { checkGeometry } from "../block-range.ts";
import { codeOf, diskError } from "../disk-error.ts";
import { lockDisk } from "./disk-lock.ts";
import { BlockFile, type FileDisk } from "./file-disk.ts";
import { hostFile } from "./host-file.ts";
import { mediumSize } from "./medium-size.ts";

export type { FileDisk, FileDiskStats } from "./file-disk.ts";

/** How {@link openFile} opens. */
export interface OpenFileOptions {
  /** Refuse changes, and open the file for reading only. Default false. */
  readonly readOnly?: boolean;
  /** Make a new file of `size` bytes that reads as zeroes; fails with `EEXIST` when there is one. */
  readonly create?: { readonly size: number };
  /** Bytes in a block: a power of two, 512 (default) or more. */
  readonly blockSize?: number;
  /**
   * Keep others from writing while this disk is open, and others' disks from opening what this one writes.
   * Default true. Off only when something else guarantees it.
   */
  readonly lock?: boolean;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a raw image or a block device as a disk. The format is never guessed: the file's bytes are the disk's.
 *
 * A lock (files next to the image, in `<path>.lock`) keeps two disks from writing the same image, in this process and
 * in others on this host; what a killed process left is recognised. Read-only disks share. Block devices are opened
 * exclusively instead (`O_EXCL`: fails with `EBUSY` while mounted).
 *
 * @throws TypeError when a read-only file is to be created; RangeError on a size or block size that is not possible;
 * Error with code `ERR_DISK_TYPE` for what is neither a regular file nor a block device, `ERR_DISK_SIZE` for an empty
 * file or one that is not a multiple of the block size, `ERR_DISK_LOCKED` for a disk in use, `ERR_DISK_LINKS` for a
 * file to be written that has further names, which no lock covers; else with the host's code.
 */
export async function openFile(path: string, options: OpenFileOptions = {}): Promise<FileDisk> {
  const { readOnly = false, create, blockSize = 512, lock = true, signal } = options;
  if (create !== undefined) {
    if (readOnly) throw new TypeError(`${path} cannot be created read-only`);
    checkGeometry(create.size, blockSize);
  }
  checkGeometry(blockSize, blockSize);
  signal?.throwIfAborted();

  const found = create === undefined ? findDisk(path) : undefined;
  const realPath =
    found?.path ??
    join(
      reached(path, () => realpathSync(dirname(path))),
      basename(path),
    );
  const isDevice = found?.stats.isBlockDevice() ?? false;
  const locked = lock && !isDevice;
  if (locked && !readOnly && found !== undefined && found.stats.nlink > 1) {
    throw diskError("ERR_DISK_LINKS", `${path} has ${found.stats.nlink} names (hard links)`);
  }
  const release = locked ? await lockDisk(realPath, readOnly ? "read" : "write") : () => {};
  let fd: number | undefined;
  try {
    signal?.throwIfAborted();
    fd = reached(path, () =>
      create === undefined
        ? openSync(realPath, openFlags(readOnly, isDevice && lock))
        : createImage(realPath, create.size),
    );
    const size = create?.size ?? checkedSize(path, fd, blockSize);
    return new BlockFile({ path: realPath, file: hostFile(fd), size, blockSize, readOnly, release });
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    release();
    throw error;
  }
}

function findDisk(path: string): { path: string; stats: Stats } {
  // Looked at before it is opened: opening a pipe would wait for its other end.
  const stats = reached(path, () => statSync(path));
  checkType(path, stats);
  return { path: reached(path, () => realpathSync(path)), stats };
}

function checkType(path: string, stats: Stats): void {
  if (stats.isFile() || stats.isBlockDevice()) return;
  const type = stats.isDirectory()
    ? "a directory"
    : stats.isCharacterDevice()
      ? "a character device"
      : stats.isFIFO()
        ? "a pipe"
        : "a socket";
  throw diskError("ERR_DISK_TYPE", `${path} is ${type}, neither a regular file nor a block device`);
}

function openFlags(readOnly: boolean, exclusive: boolean): number {
  const access = readOnly ? constants.O_RDONLY : constants.O_RDWR;
  // Should a pipe have taken the file's place, opening it must not wait.
  return access | (constants.O_NONBLOCK ?? 0) | (exclusive && !readOnly ? constants.O_EXCL : 0);
}

function checkedSize(path: string, fd: number, blockSize: number): number {
  const stats = fstatSync(fd);
  checkType(path, stats);
  const size = stats.isFile()
    ? stats.size
    : mediumSize((target, position) => readSync(fd, target, 0, 512, position));
  if (size === 0) throw diskError("ERR_DISK_SIZE", `${path} is empty`);
  if (size % blockSize !== 0) {
    throw diskError(
      "ERR_DISK_SIZE",
      `${path} has ${size} bytes, not a multiple of the block size ${blockSize}`,
    );
  }
  return size;
}

/** Makes a sparse file that is there, with its size, after a loss of power. */
function createImage(path: string, size: number): number {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o666);
  try {
    ftruncateSync(fd, size);
    fsyncSync(fd);
    syncDirectory(dirname(path));
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    throw error;
  }
}

function syncDirectory(path: string): void {
  // Windows opens no directories, and keeps their entries by itself.
  if (process.platform === "win32") return;
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } catch (error) {
    // File systems that cannot sync a folder say so.
    if (codeOf(error) !== "EINVAL") throw error;
  } finally {
    closeSync(fd);
  }
}

/** Names the disk in a failure of the host. */
function reached<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw diskError(codeOf(cause), `${path} cannot be opened: ${(cause as Error).message}`, cause);
  }
}

import { type FileHandle, open, stat } from "node:fs/promises";
import type { ImageSource } from "@isomorph/hypervisor";
import { CommandError } from "../command/failure.ts";

const FIRST_BUFFER = 1 << 20;

/**
 * Reads an image for the machine. A file that cannot fit into `limit` bytes (guest memory) is refused before it is read;
 * what has no size, such as a pipe, is read up to there.
 *
 * @param option - Names the option that gave the path, for errors.
 */
export async function readImage(path: string, option: string, limit: number): Promise<Uint8Array> {
  const refused = (size: string) =>
    `does not fit into guest memory: it has ${size}, memory ${limit} bytes; raise --memory, or give another file`;
  return readFile(path, option, limit, refused);
}

/** Reads a file of at most `limit` bytes. @param refused - What is said of one that has more, or of one with no end. */
export async function readFile(
  path: string,
  option: string,
  limit: number,
  refused: (size: string) => string,
): Promise<Uint8Array> {
  const tooLarge = (size: string) => new CommandError(`${option} ${path}: ${refused(size)}`);
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const stats = await file.stat();
    if (stats.isDirectory()) throw new CommandError(`${option} ${path}: is a directory, not a file`);
    if (stats.isFile() && stats.size > limit) throw tooLarge(`${stats.size} bytes`);
    return await readAll(file, stats.isFile() ? stats.size : undefined, () => tooLarge("no end"), limit);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${option} ${path}: ${hostReason(error)}`, { cause: error });
  } finally {
    await file?.close();
  }
}

/**
 * Reads an image as {@link readImage} does, for a machine that does not keep it: the machine gets what was read for its
 * start, and a reset reads the file again. Fails then when the file cannot be read any more or is not the same as before.
 */
export async function openImage(path: string, option: string, limit: number): Promise<ImageSource> {
  const before = await identityOf(path);
  const bytes = await readImage(path, option, limit);
  // A pipe gives what it has only once.
  if (before === undefined) return bytes;
  let first: Uint8Array | undefined = bytes;
  return async () => {
    const given = first;
    first = undefined;
    if (given !== undefined) return given;
    const failed = `${option} ${path}: the machine starts again and needs this file, which`;
    let again: Uint8Array;
    try {
      again = await readImage(path, option, limit);
    } catch (error) {
      const cause = error instanceof CommandError && error.cause !== undefined ? error.cause : error;
      throw new CommandError(`${failed} cannot be read: ${hostReason(cause)}`, { cause: error });
    }
    if ((await identityOf(path)) === before) return again;
    throw new CommandError(`${failed} has changed since the first start; begin anew with the command`);
  };
}

/** What changes with the contents of a file; none for what is no file or cannot be looked at. */
async function identityOf(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() ? [stats.dev, stats.ino, stats.size, stats.mtimeNs].join() : undefined;
}

async function readAll(
  file: FileHandle,
  size: number | undefined,
  refuse: () => CommandError,
  limit: number,
): Promise<Uint8Array> {
  let buffer = new Uint8Array(size === undefined ? FIRST_BUFFER : size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
    if (length > limit) throw refuse();
    if (length === buffer.length) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "is a directory, not a file",
  ENOTDIR: "a part of the path is not a directory",
  ELOOP: "too many symbolic links",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
};

/** Why the host refused, in a few words. */
export function hostReason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return REASONS[code ?? ""] ?? message ?? String(error);
}

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type ByteSource, bytesSource } from "@isomorph/hypervisor/symbols";
import { CommandError } from "../command/failure.ts";
import { hostReason } from "../machine/files.ts";

/** A kernel that is compressed is taken apart in memory, up to this size. */
const MAX_UNPACKED = 2 ** 29;

/** A file that is open for reading in parts. */
export interface FileSource extends ByteSource {
  close(): void;
}

/** Opens a regular file, or what is in it when it is compressed with gzip. @param what - Names it in errors. */
export function openFileSource(path: string, what: string): FileSource {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new CommandError(`${what}: ${hostReason(error)}`, { cause: error });
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new CommandError(`${what}: is not a regular file`);
    const source: FileSource = {
      size: stats.size,
      read: (offset, length) => readAt(file, offset, length, what),
      close: () => closeSync(file),
    };
    if (stats.size < 18 || source.read(0, 2).join() !== "31,139") return source;
    const bytes = unpack(source.read(0, stats.size), what);
    closeSync(file);
    return { ...bytesSource(bytes), close: () => {} };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readAt(file: number, offset: number, length: number, what: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    let count: number;
    try {
      count = readSync(file, bytes, done, length - done, offset + done);
    } catch (error) {
      throw new CommandError(`${what}: ${hostReason(error)} at offset ${offset + done}`, { cause: error });
    }
    if (count === 0) throw new CommandError(`${what}: has become shorter while it was read`);
    done += count;
  }
  return bytes;
}

function unpack(bytes: Uint8Array, what: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED });
  } catch (error) {
    const isLarge = (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    const reason = isLarge
      ? `unpacks to more than ${MAX_UNPACKED} bytes`
      : "is gzip-compressed and damaged or cut short";
    throw new CommandError(`${what}: ${reason}`, { cause: error });
  }
}

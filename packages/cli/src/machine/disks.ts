import type { BlockBackend } from "@isomorph/interface";
import { openFile } from "@isomorph/storage/node/file";
import { overlay } from "@isomorph/storage/overlay";
import { CommandError } from "../command/failure.ts";
import type { DiskSpec } from "../command/values.ts";
import { hostReason } from "./files.ts";

/** Opens a disk as `--disk` asks for it. */
export async function openDisk(spec: DiskSpec, signal?: AbortSignal): Promise<BlockBackend> {
  const { path, readOnly } = spec;
  const options = { readOnly: readOnly || spec.overlay, ...(signal === undefined ? {} : { signal }) };
  try {
    const disk = await openFile(path, options);
    return spec.overlay ? overlay(disk) : disk;
  } catch (error) {
    signal?.throwIfAborted();
    throw new CommandError(`--disk ${path}: ${reasonOf(error, path)}`, { cause: error });
  }
}

/** Closes disks, all of them, also when one fails; then fails with the first failure. */
export async function closeDisks(disks: readonly BlockBackend[]): Promise<void> {
  const results = await Promise.allSettled(disks.map(async (disk) => disk.close()));
  for (const result of results) {
    if (result.status === "rejected") {
      const text = `a disk could not be closed: ${hostReason(result.reason)}`;
      throw new CommandError(text, { cause: result.reason });
    }
  }
}

function reasonOf(error: unknown, path: string): string {
  const { code, message, cause } = error as { code?: string; message: string; cause?: unknown };
  switch (code) {
    case "ENOENT": {
      const flag = /,([^,/]*)$/.exec(path)?.[1];
      return flag === undefined
        ? "no such file"
        : `no such file; if "${flag}" is meant as a flag: those are readonly and overlay`;
    }
    case "EACCES":
    case "EROFS":
      return `${hostReason(cause ?? error)}; add ,readonly to open it for reading only`;
    case "ERR_DISK_LOCKED":
      return `${tail(message, path)}. Stop that one first, or add ,overlay to work on a copy in memory`;
    case "ERR_DISK_SIZE":
    case "ERR_DISK_TYPE":
      return `${tail(message, path)}; expected a raw disk image of whole 512-byte sectors`;
    case "ERR_DISK_LINKS":
      return `${tail(message, path)}, which a lock cannot cover; give it one name, or add ,readonly or ,overlay`;
    default:
      return tail(message, path);
  }
}

/** A message without the path that it starts with. */
function tail(message: string, path: string): string {
  return message.startsWith(`${path} `) ? message.slice(path.length + 1) : message;
}

import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";

/** A part of a file: offset and length in bytes. */
export type Extent = readonly [offset: number, length: number];

const CHUNK = 4 * 1024 * 1024;

/**
 * SHA-256 of a file, in lower-case hexadecimal; where extents are given, of these one after the other. Holes
 * of a sparse image are then never read, which on the first reading costs more than what is in it.
 * @throws Error when an extent reaches beyond the end.
 */
export async function sha256File(
  path: string,
  options: {
    readonly extents?: readonly Extent[] | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    const extents = options.extents ?? [[0, (await file.stat()).size]];
    await readExtents(file, extents, options.signal, (chunk) => void hash.update(chunk));
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/**
 * Copies a sparse file by its extents: only these are read and written, the rest of the copy is a hole.
 * The copy must not exist yet; it is taken away again when copying fails.
 */
export async function copyExtents(
  from: string,
  to: string,
  extents: readonly Extent[],
  signal?: AbortSignal,
): Promise<void> {
  const source = await open(from, "r");
  try {
    const target = await open(to, "wx");
    try {
      await target.truncate((await source.stat()).size);
      await readExtents(source, extents, signal, async (chunk, offset) => {
        for (let at = 0; at < chunk.length; ) {
          at += (await target.write(chunk, at, chunk.length - at, offset + at)).bytesWritten;
        }
      });
    } catch (error) {
      await rm(to, { force: true });
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function readExtents(
  file: FileHandle,
  extents: readonly Extent[],
  signal: AbortSignal | undefined,
  take: (chunk: Uint8Array, offset: number) => void | Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (const [offset, length] of extents) {
    for (let at = 0; at < length; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, length - at), offset + at);
      if (bytesRead === 0) throw new Error(`the file ends at ${offset + at}, within an extent`);
      await take(buffer.subarray(0, bytesRead), offset + at);
      at += bytesRead;
    }
  }
}

/** SHA-256 of a text in UTF-8, in lower-case hexadecimal. */
export function sha256Text(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

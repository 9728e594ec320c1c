import { bytesForMessage, type ImageKind, imageError } from "../errors.ts";

/**
 * Decompresses gzip data, at most `limit` bytes of it. Throws an error with code `ERR_…_COMPRESSED` on damaged data and
 * `ERR_…_TOO_LARGE` on more than `limit`; rejects with the signal's reason when it is aborted.
 */
export async function gunzip(
  bytes: Uint8Array,
  limit: number,
  kind: ImageKind,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  // The reader below reports the same failures.
  writer.write(bytes as Uint8Array<ArrayBuffer>).catch(() => undefined);
  writer.close().catch(() => undefined);
  const reader = stream.readable.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await read(reader, kind);
      if (done) break;
      length += value.length;
      if (length > limit) {
        const text = `decompresses to more than guest memory holds (${bytesForMessage(limit)}); raise \`memory\``;
        throw imageError(kind, "TOO_LARGE", text);
      }
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  }
  const result = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    result.set(chunk, at);
    at += chunk.length;
  }
  return result;
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  kind: ImageKind,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (cause) {
    throw imageError(kind, "COMPRESSED", "is gzip-compressed and damaged or cut short; copy it again", {
      cause,
    });
  }
}

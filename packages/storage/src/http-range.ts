import { diskError } from "./disk-error.ts";

/** A file on a web server. */
export interface HttpSource {
  readonly url: string;
  /** How often a request that failed is made again. */
  readonly retries: number;
  readonly fetch: typeof fetch;
}

/** What a range request brought. */
export interface FetchedRange {
  /** The bytes that were asked for, fewer only where the file ends. */
  readonly bytes: Uint8Array;
  /** Bytes in the whole file. */
  readonly size: number;
  /** Tells versions of the file apart: `ETag`, or else `Last-Modified`. */
  readonly validator: string | undefined;
}

/** Milliseconds before the first repetition; each further one waits twice as long. */
const FIRST_DELAY = 200;

/** An answer after which asking again may help. */
class TemporaryError extends Error {}

/**
 * Fetches bytes `[offset, offset + length)` of a file (RFC 9110, section 14). Network failures and answers of an
 * overloaded server are tried again. Rejects with an Error with code `EIO` or `ERR_DISK_RANGES`, or with the signal's
 * reason.
 */
export async function fetchRange(
  source: HttpSource,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<FetchedRange> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetchOnce(source, offset, length, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TemporaryError)) throw error;
      if (attempt >= source.retries) throw diskError("EIO", error.message, error.cause);
    }
    await delay(FIRST_DELAY * 2 ** attempt, signal);
  }
}

async function fetchOnce(
  { url, fetch }: HttpSource,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<FetchedRange> {
  const last = offset + length - 1;
  let response: Response;
  try {
    // Not through the host's cache: it would queue requests for the same file one after the other.
    response = await fetch(url, {
      headers: { Range: `bytes=${offset}-${last}` },
      cache: "no-store",
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (cause) {
    throw new TemporaryError(`${url} cannot be reached`, { cause });
  }
  try {
    const { size, end } = checkAnswer(url, response, offset, last);
    const bytes = await readExactly(url, response, end - offset);
    const validator = response.headers.get("etag") ?? response.headers.get("last-modified") ?? undefined;
    return { bytes, size, validator };
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw error;
  }
}

/** The size of the file and the end of the range that an answer brings. Throws where it is no such answer. */
function checkAnswer(
  url: string,
  response: Response,
  offset: number,
  last: number,
): { readonly size: number; readonly end: number } {
  const { status } = response;
  if (status === 429 || status >= 500) throw new TemporaryError(`${url}: the server answered ${status}`);
  if (status === 200) {
    throw diskError("ERR_DISK_RANGES", `${url}: the server cannot send ranges of a file, which a disk needs`);
  }
  if (status !== 206) throw diskError("EIO", `${url}: the server answered ${status}`);
  const header = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header);
  const [start, lastSent, size] = (match?.slice(1) ?? []).map(Number) as [number?, number?, number?];
  const isAnswer =
    start === offset &&
    size !== undefined &&
    Number.isSafeInteger(size) &&
    lastSent === Math.min(last, size - 1);
  if (!isAnswer) {
    const text = `${url}: the server answered bytes ${offset} to ${last} with Content-Range "${header}"`;
    throw diskError("ERR_DISK_RANGES", text);
  }
  return { size, end: lastSent + 1 };
}

async function readExactly(url: string, response: Response, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      if (value.length > length - at) {
        throw diskError("EIO", `${url}: the server sent more than the ${length} bytes it announced`);
      }
      bytes.set(value, at);
      at += value.length;
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === "EIO") throw error;
    throw new TemporaryError(`${url}: the answer broke off`, { cause: error });
  } finally {
    reader?.releaseLock();
  }
  if (at !== length) throw new TemporaryError(`${url}: the answer broke off after ${at} of ${length} bytes`);
  return bytes;
}

function delay(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
  });
}

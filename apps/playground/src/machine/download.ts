/** How a download goes on: bytes so far, and all of them or 0 where the server does not say. */
export type OnProgress = (loaded: number, total: number) => void;

/** What {@link download} is told. */
export interface DownloadOptions {
  /** Names the image in errors. */
  readonly name: string;
  /** More bytes than this are refused. */
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/** Milliseconds between two reports of progress. */
const REPORT_MS = 50;

/** Fetches a file whole. Rejects with an Error that says what to look at, or with the signal's reason. */
export async function download(url: string, options: DownloadOptions): Promise<Uint8Array> {
  const { name, limit, signal, onProgress } = options;
  const fail = (text: string, cause?: unknown): Error =>
    new Error(`The ${name} ${text} (${url}).`, { cause });
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw fail("could not be fetched: the server does not answer", error);
  }
  if (!response.ok || response.body === null) {
    const status = `${response.status} ${response.statusText}`.trim();
    await response.body?.cancel();
    throw fail(`could not be fetched: the server answered ${status}`);
  }
  // The length is that of the encoded body where there is an encoding.
  const isEncoded = response.headers.get("content-encoding") !== null;
  const total = isEncoded ? 0 : Number(response.headers.get("content-length") ?? 0);
  const tooLarge = (): Error => fail(`is too large for guest memory of ${limit} bytes`);
  if (total > limit) {
    await response.body.cancel();
    throw tooLarge();
  }

  const chunks: Uint8Array[] = [];
  let loaded = 0;
  let reported = 0;
  const reader = response.body.getReader();
  for (;;) {
    let chunk: ReadableStreamReadResult<Uint8Array>;
    try {
      chunk = await reader.read();
    } catch (error) {
      signal.throwIfAborted();
      throw fail(`broke off after ${loaded} bytes`, error);
    }
    if (chunk.done) break;
    chunks.push(chunk.value);
    loaded += chunk.value.length;
    if (loaded > limit) {
      await reader.cancel();
      throw tooLarge();
    }
    const now = performance.now();
    if (now - reported < REPORT_MS) continue;
    reported = now;
    onProgress(loaded, total);
  }
  if (total !== 0 && loaded !== total) throw fail(`broke off after ${loaded} of ${total} bytes`);
  onProgress(loaded, loaded);
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

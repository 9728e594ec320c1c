/** Guest output as a Web Stream that holds at most `limit` bytes ahead of its reader. */
export class OutputStream {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #onroom: () => void;

  constructor(limit: number, onroom: () => void) {
    this.#onroom = onroom;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#onroom(),
        cancel: () => {
          this.#controller = undefined;
        },
      },
      { highWaterMark: limit, size: (chunk) => chunk.length },
    );
  }

  /** Bytes that the stream takes now; Infinity once its reader has gone, as then they go nowhere. */
  get room(): number {
    return this.#controller === undefined ? Number.POSITIVE_INFINITY : (this.#controller.desiredSize ?? 0);
  }

  push(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
  }

  close(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }
}

/** A Web Stream that feeds `write`, which takes as much as it has room for and calls `resume` when there is more. */
export class InputStream {
  readonly stream: WritableStream<Uint8Array>;
  #resume: (() => void) | undefined;

  constructor(write: (bytes: Uint8Array) => number) {
    this.stream = new WritableStream<Uint8Array>({
      write: async (chunk, controller) => {
        let rest = chunk;
        for (;;) {
          rest = rest.subarray(write(rest));
          if (rest.length === 0) return;
          if (controller.signal.aborted) return;
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
            controller.signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      },
    });
  }

  /** There is room again. */
  resume(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}

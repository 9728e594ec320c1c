import type { Readable, Writable } from "node:stream";
import type { BytePort } from "@isomorph/io";

/** What a {@link ConsoleLink} connects. */
export interface ConsoleLinkOptions {
  readonly port: BytePort;
  readonly output: Writable;
  /** Holds the machine while the reader of `output` is behind, and lets it go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Sees what the guest sends, before `output` gets it. */
  readonly onoutput?: (bytes: Uint8Array) => void;
}

/**
 * The guest's console at a stream of the host. A guest cannot be told to wait by a serial line, so the whole machine
 * waits for a slow reader: nothing is lost, and memory stays bounded.
 */
export class ConsoleLink {
  readonly #options: ConsoleLinkOptions;
  #isHeld = false;
  #isBroken = false;
  #stopFeeding: () => void = () => {};

  constructor(options: ConsoleLinkOptions) {
    this.#options = options;
    const { port, output } = options;
    port.ontransmit = (bytes) => {
      options.onoutput?.(bytes);
      if (this.#isBroken || output.write(bytes) || this.#isHeld) return;
      this.#isHeld = true;
      options.pause();
    };
    output.on("drain", this.#release);
    output.on("error", this.#break);
  }

  /** Whether nobody reads the output any more. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Feeds a stream to the guest, as fast as it reads. `filter` sees each chunk first. What is `typed` is always read at
   * once, so that the escape key works whatever the guest does: what its buffers cannot take is dropped.
   */
  feed(
    input: Readable,
    filter: (chunk: Uint8Array) => Uint8Array,
    options: { readonly typed?: boolean; readonly onend?: () => void } = {},
  ): void {
    const { typed = false, onend } = options;
    const { port } = this.#options;
    let rest: Uint8Array = new Uint8Array(0);
    let ended = false;
    const push = (): void => {
      rest = rest.subarray(port.write(rest));
      if (ended && rest.length === 0) onend?.();
      else if (rest.length > 0 && !typed) input.pause();
      else if (!ended) input.resume();
    };
    port.ondrain = push;
    const end = (): void => {
      if (ended) return;
      ended = true;
      if (rest.length === 0) onend?.();
    };
    const ondata = (chunk: Buffer): void => {
      const bytes = filter(chunk);
      if (rest.length === 0) rest = bytes;
      push();
    };
    input.on("data", ondata);
    for (const event of ["end", "close", "error"]) input.on(event, end);
    this.#stopFeeding = () => {
      ended = true;
      port.ondrain = undefined;
      input.off("data", ondata);
      input.pause();
    };
    if (input.readableEnded || input.destroyed) end();
    input.resume();
  }

  /** Lets go of the streams. What was written has reached it when the promise resolves. */
  async close(): Promise<void> {
    const { port, output } = this.#options;
    this.#stopFeeding();
    port.flush();
    port.ontransmit = undefined;
    output.off("drain", this.#release);
    if (!this.#isBroken && output.writableLength > 0) {
      await new Promise<void>((resolve) => {
        output.once("error", () => resolve());
        output.write("", () => resolve());
      });
    }
  }

  readonly #release = (): void => {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#options.resume();
  };

  readonly #break = (): void => {
    this.#isBroken = true;
    this.#release();
  };
}

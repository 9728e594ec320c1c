import type { BytePort } from "@isomorph/io";

/** The end of a port that takes input. */
export type InputPort = Pick<BytePort, "write" | "ondrain">;

/** Bytes that wait for a port at most. A guest can make the terminal answer questions, and then not read the answers. */
const LIMIT = 1 << 20;

/** What is typed, on its way to a guest that may read slowly. */
export class ConsoleInput {
  readonly #port: InputPort;
  #queue: Uint8Array[] = [];
  #queued = 0;

  constructor(port: InputPort) {
    this.#port = port;
    port.ondrain = () => this.#drain();
  }

  /** Bytes for the guest. What exceeds the limit is dropped. */
  write(bytes: Uint8Array): void {
    if (this.#queued + bytes.length > LIMIT) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#drain();
  }

  clear(): void {
    this.#queue = [];
    this.#queued = 0;
  }

  #drain(): void {
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined) return;
      const taken = this.#port.write(first);
      this.#queued -= taken;
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        return;
      }
      this.#queue.shift();
    }
  }
}

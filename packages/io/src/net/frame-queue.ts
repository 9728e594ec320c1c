/** Frames that wait, bounded by the sum of their lengths. Each frame counts as 64 bytes more than it has. */
export class FrameQueue {
  readonly #limit: number;
  readonly #frames: Uint8Array[] = [];
  #bytes = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 0) throw new RangeError(`frame queue of ${limit} bytes`);
    this.#limit = limit;
  }

  get length(): number {
    return this.#frames.length;
  }

  /** The oldest frame. */
  get first(): Uint8Array | undefined {
    return this.#frames[0];
  }

  /** Adds a copy of the frame; false when there is no room. */
  push(frame: Uint8Array): boolean {
    if (this.#bytes + frame.length + 64 > this.#limit) return false;
    this.#frames.push(frame.slice());
    this.#bytes += frame.length + 64;
    return true;
  }

  /** Removes the oldest frame. */
  shift(): void {
    const frame = this.#frames.shift();
    if (frame !== undefined) this.#bytes -= frame.length + 64;
  }

  /** Drops all; says how many there were. */
  clear(): number {
    const count = this.#frames.length;
    this.#frames.length = 0;
    this.#bytes = 0;
    return count;
  }
}

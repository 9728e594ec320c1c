/** Where output goes, and how the machine is held while nobody keeps up with it. */
export interface ConsoleOutputOptions {
  /** Sends bytes on. They are the receiver's to keep. */
  readonly post: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly pause: () => void;
  readonly resume: () => void;
}

/** Milliseconds for which output is collected before it is sent. */
const INTERVAL_MS = 8;
/** Bytes that are sent at once, however little time has passed. */
const BATCH = 64 << 10;
/** Bytes on their way above which the machine waits, and below which it goes on. */
const HIGH_WATER = 512 << 10;
const LOW_WATER = 128 << 10;

/**
 * The guest's output on its way to the terminal: in batches, and never more than the terminal can show. A serial line
 * cannot tell a guest to wait, so the machine as a whole waits: nothing is lost, and memory stays bounded.
 */
export class ConsoleOutput {
  readonly #options: ConsoleOutputOptions;
  #chunks: Uint8Array[] = [];
  #collected = 0;
  /** Sent, and not shown yet. */
  #underway = 0;
  #lastPost = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isHeld = false;

  constructor(options: ConsoleOutputOptions) {
    this.#options = options;
  }

  /** Takes bytes from the guest; they are this object's to keep. */
  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#collected += bytes.length;
    const wait = this.#lastPost + INTERVAL_MS - performance.now();
    if (wait <= 0 || this.#collected >= BATCH) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait);
    if (!this.#isHeld && this.#underway + this.#collected > HIGH_WATER) {
      this.#isHeld = true;
      this.#options.pause();
    }
  }

  /** The terminal has shown so many bytes. */
  shown(length: number): void {
    this.#underway = Math.max(0, this.#underway - length);
    if (!this.#isHeld || this.#underway + this.#collected > LOW_WATER) return;
    this.#isHeld = false;
    this.#options.resume();
  }

  /** Sends what was collected. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#collected === 0) return;
    const bytes = new Uint8Array(this.#collected);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [];
    this.#collected = 0;
    this.#underway += bytes.length;
    this.#lastPost = performance.now();
    this.#options.post(bytes);
  }
}

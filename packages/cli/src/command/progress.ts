/** Where progress is shown: one line that changes on a terminal, else a line for each step. */
export interface Progress {
  /** What is going on now. `fraction` from 0 to 1 where that is known. A new `step` gives a new line off-terminal. */
  update(step: string, text: string, fraction?: number): void;
  /** Takes the changing line away. */
  clear(): void;
  /** Shows a line that stays. */
  say(text: string): void;
}

/** What progress is written to. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_WIDTH = 20;
/** Milliseconds between two pictures of a changing line. */
const FRAME = 80;

/** @param quiet - Without a terminal, steps are not shown; what is said still is. */
export function createProgress(stream: ProgressStream, options: { readonly quiet?: boolean } = {}): Progress {
  return stream.isTTY === true ? new LiveProgress(stream) : new PlainProgress(stream, options.quiet === true);
}

class PlainProgress implements Progress {
  readonly #stream: ProgressStream;
  readonly #quiet: boolean;
  #step = "";

  constructor(stream: ProgressStream, quiet: boolean) {
    this.#stream = stream;
    this.#quiet = quiet;
  }

  update(step: string, text: string): void {
    if (step === this.#step || this.#quiet) return;
    this.#step = step;
    this.say(text);
  }

  clear(): void {}

  say(text: string): void {
    this.#stream.write(`isomorph: ${text}\n`);
  }
}

class LiveProgress implements Progress {
  readonly #stream: ProgressStream;
  #shown = false;
  #step = "";
  #last = 0;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  update(step: string, text: string, fraction?: number): void {
    const now = performance.now();
    if (step === this.#step && now - this.#last < FRAME && fraction !== 1) return;
    this.#step = step;
    this.#last = now;
    this.#shown = true;
    const bar = fraction === undefined ? "" : ` ${progressBar(fraction)}`;
    const width = Math.max((this.#stream.columns ?? 80) - 1, 20);
    const line = `isomorph: ${text}`;
    const room = width - bar.length;
    this.#stream.write(`\r\x1b[K${line.length > room ? `${line.slice(0, room - 1)}…` : line}${bar}`);
  }

  clear(): void {
    if (this.#shown) this.#stream.write("\r\x1b[K");
    this.#shown = false;
  }

  say(text: string): void {
    this.clear();
    this.#stream.write(`isomorph: ${text}\r\n`);
  }
}

function progressBar(fraction: number): string {
  const bounded = Math.min(Math.max(fraction, 0), 1);
  const full = Math.round(bounded * BAR_WIDTH);
  const percent = `${Math.floor(bounded * 100)}`.padStart(3);
  return `[${"█".repeat(full)}${"·".repeat(BAR_WIDTH - full)}] ${percent}%`;
}

/** Looks for a text in what a guest writes to a console. */
export class ConsoleWatch {
  readonly #wanted: string;
  readonly #onfound: () => void;
  /** The end of what was written so far. */
  #last = "";
  #isFound = false;

  /** @param onfound - Called once. */
  constructor(text: string, onfound: () => void) {
    this.#wanted = Buffer.from(text).toString("latin1");
    this.#onfound = onfound;
  }

  add(bytes: Uint8Array): void {
    if (this.#isFound) return;
    const text = this.#last + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    this.#isFound = text.includes(this.#wanted);
    this.#last = this.#wanted.length < 2 ? "" : text.slice(1 - this.#wanted.length);
    if (this.#isFound) this.#onfound();
  }

  get isFound(): boolean {
    return this.#isFound;
  }
}

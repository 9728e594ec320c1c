/** Bytes that are kept. */
const KEPT = 16384;
/** Lines that are shown. */
const SHOWN = 25;

/** The end of what the guest's kernel printed, for the case that something goes wrong. */
export class ConsoleTail {
  #text = "";

  add(bytes: Uint8Array): void {
    this.#text = (this.#text + Buffer.from(bytes).toString("latin1")).slice(-KEPT);
  }

  /** Whether the kernel has given up. */
  get hasPanic(): boolean {
    return /Kernel panic - not syncing/.test(this.#text);
  }

  /** The last lines, safe to print. */
  lines(): string[] {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
    const clean = this.#text.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, "").replace(/[^\n\x20-\x7e]/g, "");
    return clean
      .trimEnd()
      .split("\n")
      .slice(-SHOWN)
      .filter((line, _, all) => line !== "" || all.length > 1);
  }

  clear(): void {
    this.#text = "";
  }
}

/** A pseudoterminal with a program in it, by script(1), and a person who reads and types. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

/** Quotes words for the shell. */
export function shellWords(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}

/** A running program at a terminal of its own. */
export class TestTerminal {
  /** Everything that the terminal has shown. */
  shown = "";
  readonly process: ChildProcessWithoutNullStreams;
  #at = 0;
  #waiting: (() => void) | undefined;
  readonly #ended: Promise<number | null>;

  /** Runs a command of the shell at a terminal of 101 columns and 33 rows. */
  constructor(command: string, env: Readonly<Record<string, string>> = {}) {
    const inside = `stty rows 33 cols 101; ${command}`;
    this.process = spawn("script", ["-qefc", inside, "/dev/null"], {
      env: { ...process.env, TERM: "xterm", SHELL: "/bin/sh", ...env },
    });
    this.process.stdout.on("data", (chunk: Buffer) => {
      this.shown += chunk.toString("latin1");
      this.#waiting?.();
    });
    this.process.stderr.on("data", (chunk: Buffer) => {
      this.shown += chunk.toString("latin1");
    });
    this.process.stdin.on("error", () => {});
    this.#ended = new Promise((resolve, reject) => {
      this.process.on("error", reject);
      this.process.on("close", (code) => {
        resolve(code);
        this.#waiting?.();
      });
    });
  }

  /** Waits until the pattern shows after what was waited for before. */
  async see(pattern: RegExp | string, seconds = 60): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const rest = this.shown.slice(this.#at);
      const text = typeof pattern === "string" ? pattern : pattern.exec(rest)?.[0];
      const found = text === undefined ? -1 : rest.indexOf(text);
      if (text !== undefined && found >= 0) {
        this.#at += found + text.length;
        return;
      }
      const left = deadline - performance.now();
      if (left <= 0 || this.process.exitCode !== null) {
        this.process.kill("SIGKILL");
        throw new Error(
          `${pattern} does not show within ${seconds} s; the terminal:\n${this.shown.slice(-4000)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1000));
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  type(text: string): void {
    this.process.stdin.write(text, "latin1");
  }

  /** Waits for the end; gives the exit code. */
  async end(seconds = 60): Promise<number | null> {
    const timer = setTimeout(() => this.process.kill("SIGKILL"), seconds * 1000);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

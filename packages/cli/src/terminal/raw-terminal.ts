import type { ReadStream, WriteStream } from "node:tty";

/** Modes that programs of the guest switch on and that a person's own shell should not find: on, then off. */
const MODES = [
  ["\x1b[?1049h", "\x1b[?1049l"],
  ["\x1b[?25l", "\x1b[?25h"],
  ["\x1b[?2004h", "\x1b[?2004l"],
  ["\x1b[?1000h", "\x1b[?1000l"],
  ["\x1b[?1002h", "\x1b[?1002l"],
  ["\x1b[?1003h", "\x1b[?1003l"],
  ["\x1b[?1h", "\x1b[?1l"],
  ["\x1b=", "\x1b>"],
] as const;

/** Follows which modes of the terminal the guest has switched on. */
export class TerminalModes {
  readonly #active = new Set<string>();

  /** Looks through output on its way to the terminal. */
  follow(bytes: Uint8Array): void {
    if (!bytes.includes(0x1b)) return;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    for (const [on, off] of MODES) {
      const lastOn = text.lastIndexOf(on);
      const lastOff = text.lastIndexOf(off);
      if (lastOn > lastOff) this.#active.add(off);
      else if (lastOff > lastOn) this.#active.delete(off);
    }
  }

  /** What switches them off again. */
  undo(): string {
    const sequence = [...this.#active].join("");
    this.#active.clear();
    return sequence;
  }
}

/**
 * The terminal in raw mode, and back: at {@link RawTerminal.restore}, when the process exits or fails, and while it is
 * stopped.
 */
export class RawTerminal {
  readonly modes: TerminalModes = new TerminalModes();
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  #isRaw = false;

  constructor(input: ReadStream, output: WriteStream) {
    this.#input = input;
    this.#output = output;
    process.on("exit", this.restore);
    process.on("uncaughtExceptionMonitor", this.restore);
    process.on("SIGTSTP", this.#stop);
    process.on("SIGCONT", this.enter);
  }

  readonly enter = (): void => {
    if (this.#isRaw) return;
    this.#input.setRawMode(true);
    this.#isRaw = true;
  };

  /** Gives the terminal back as it was. May be called any number of times. */
  readonly restore = (): void => {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      this.#input.setRawMode(false);
    } catch {
      // The terminal has gone away; there is nothing to restore.
    }
    const undo = this.modes.undo();
    if (undo !== "") this.#output.write(undo);
  };

  close(): void {
    this.restore();
    process.off("exit", this.restore);
    process.off("uncaughtExceptionMonitor", this.restore);
    process.off("SIGTSTP", this.#stop);
    process.off("SIGCONT", this.enter);
  }

  readonly #stop = (): void => {
    this.restore();
    process.kill(process.pid, "SIGSTOP");
  };
}

import type { ReadStream, WriteStream } from "node:tty";
import type { Uart16550, VirtioConsole } from "@isomorph/io";
import type { Progress } from "../command/progress.ts";
import type { ConsoleLink } from "./console-link.ts";
import { EscapeKeys, escapeHelp } from "./escape-keys.ts";
import { RawTerminal } from "./raw-terminal.ts";

/** What a person's terminal is connected to. */
export interface InteractiveOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly link: (onoutput: (bytes: Uint8Array) => void) => ConsoleLink;
  readonly serial: Uart16550;
  /** Follows the terminal's size. */
  readonly console: VirtioConsole | undefined;
  readonly escapeKey: number | undefined;
  readonly progress: Progress;
  readonly onquit: () => void;
  /** One line about what the machine is doing. */
  readonly status: () => string;
}

/** A person's terminal as the guest's: raw, with the escape key, and given back as it was. */
export class InteractiveTerminal {
  readonly #terminal: RawTerminal;
  readonly #link: ConsoleLink;
  readonly #options: InteractiveOptions;

  constructor(options: InteractiveOptions) {
    const { input, output, serial, escapeKey, progress } = options;
    this.#options = options;
    this.#terminal = new RawTerminal(input, output);
    const { modes } = this.#terminal;
    this.#link = options.link((bytes) => {
      progress.clear();
      modes.follow(bytes);
    });
    const keys = new EscapeKeys(escapeKey, (command) => {
      if (command === "quit") options.onquit();
      else if (command === "break") serial.sendBreak();
      else if (command === "status") progress.say(options.status());
      else for (const line of escapeHelp(escapeKey ?? 0)) progress.say(line);
    });
    output.on("resize", this.#resize);
    this.#terminal.enter();
    this.#link.feed(input, (typed) => keys.filter(typed), {
      typed: true,
      // The terminal has gone away.
      onend: () => options.onquit(),
    });
  }

  async close(): Promise<void> {
    const { input, output } = this.#options;
    output.off("resize", this.#resize);
    await this.#link.close();
    this.#terminal.close();
    input.pause();
  }

  readonly #resize = (): void => {
    const { output, console } = this.#options;
    console?.resize(...terminalSize(output));
  };
}

/** Columns and rows of a terminal, within what a virtio console can have. */
export function terminalSize(output: Pick<WriteStream, "columns" | "rows">): [number, number] {
  const bounded = (value: number | undefined, fallback: number): number =>
    value === undefined || value < 1 ? fallback : Math.min(value, 0xffff);
  return [bounded(output.columns, 80), bounded(output.rows, 24)];
}

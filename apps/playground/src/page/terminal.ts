import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";
import type { TerminalSize } from "../protocol.ts";

/** What a {@link GuestTerminal} tells the page. */
export interface TerminalEvents {
  /** Bytes that were typed, pasted, or answered by the terminal itself. */
  readonly oninput: (bytes: Uint8Array) => void;
  readonly onresize: (size: TerminalSize) => void;
  /** The key came that leaves the terminal. */
  readonly onleave: () => void;
}

/** The key that takes the focus out of the terminal, which has a use for every other one. */
const LEAVE_KEY = "F6";

/** The terminal on the page. */
export class GuestTerminal {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #encoder = new TextEncoder();

  constructor(element: HTMLElement, theme: ITheme, events: TerminalEvents) {
    const terminal = new Terminal({
      theme,
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 14,
      lineHeight: 1.2,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      scrollback: 10_000,
      minimumContrastRatio: 4.5,
    });
    this.#terminal = terminal;
    terminal.loadAddon(this.#fit);
    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", `Console of the guest; ${LEAVE_KEY} leaves it`);
    terminal.onData((text) => events.oninput(this.#encoder.encode(text)));
    terminal.onBinary((text) => events.oninput(Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff)));
    terminal.onResize(({ cols, rows }) => events.onresize({ columns: cols, rows }));
    terminal.attachCustomKeyEventHandler((event) => {
      if (event.key !== LEAVE_KEY) return true;
      event.preventDefault();
      if (event.type === "keydown") events.onleave();
      return false;
    });
    this.#fit.fit();
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit.fit())).observe(element);
  }

  get size(): TerminalSize {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows };
  }

  set theme(theme: ITheme) {
    this.#terminal.options.theme = theme;
  }

  /** Whether a line feed alone begins a new line, for guests that send no carriage returns. */
  set isLineFeedNewline(value: boolean) {
    this.#terminal.options.convertEol = value;
  }

  set isReadAloud(value: boolean) {
    this.#terminal.options.screenReaderMode = value;
  }

  /** Shows bytes of the guest's; calls back when they are on the screen. */
  write(bytes: Uint8Array, onshown: () => void): void {
    this.#terminal.write(bytes, onshown);
  }

  /** Shows a line of the page's own, apart from what the guest says. */
  note(text: string): void {
    const start = this.#terminal.buffer.active.cursorX === 0 ? "" : "\r\n";
    this.#terminal.write(`${start}\x1b[0;2m${text}\x1b[0m\r\n`);
  }

  reset(): void {
    this.#terminal.reset();
  }

  focus(): void {
    this.#terminal.focus();
  }
}

import type { BytePort } from "@isomorph/io";
import { ConsoleInput } from "./console-input.ts";

/** Resets the terminal: ESC c, "RIS" of ECMA-48. */
const RESET = Uint8Array.of(0x1b, 0x63);

/**
 * One terminal for a machine's two consoles. Linux begins on the serial port. When the virtio console's driver comes up
 * the kernel prints its whole log again there, so the terminal starts afresh and belongs to that one, which knows the
 * terminal's size.
 */
export class Consoles {
  readonly #serial: ConsoleInput;
  readonly #virtio: ConsoleInput;
  readonly #output: (bytes: Uint8Array) => void;
  #isOnVirtio = false;

  constructor(serial: BytePort, virtio: BytePort, output: (bytes: Uint8Array) => void) {
    this.#serial = new ConsoleInput(serial);
    this.#virtio = new ConsoleInput(virtio);
    this.#output = output;
    serial.ontransmit = (bytes) => {
      if (!this.#isOnVirtio) output(bytes);
    };
    virtio.ontransmit = (bytes) => {
      if (!this.#isOnVirtio) output(RESET.slice());
      this.#isOnVirtio = true;
      output(bytes);
    };
  }

  /** What is typed goes to the console that is seen. */
  write(bytes: Uint8Array): void {
    (this.#isOnVirtio ? this.#virtio : this.#serial).write(bytes);
  }

  /** The machine starts again, and the terminal with it. */
  reset(): void {
    this.#output(RESET.slice());
    this.#isOnVirtio = false;
    this.#serial.clear();
    this.#virtio.clear();
  }
}

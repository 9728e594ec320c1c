/** What a person can ask for behind the escape key. */
export type EscapeCommand = "quit" | "help" | "break" | "status";

const COMMANDS: Readonly<Record<string, EscapeCommand>> = {
  x: "quit",
  h: "help",
  "?": "help",
  b: "break",
  s: "status",
};

/** Takes the escape key and its commands out of what is typed. */
export class EscapeKeys {
  readonly #key: number | undefined;
  readonly #oncommand: (command: EscapeCommand) => void;
  #isEscaped = false;

  /** @param key - The byte of the escape key; undefined for none. */
  constructor(key: number | undefined, oncommand: (command: EscapeCommand) => void) {
    this.#key = key;
    this.#oncommand = oncommand;
  }

  /** Returns what is for the guest. The escape key twice is the key itself; behind it, an unknown key is dropped. */
  filter(typed: Uint8Array): Uint8Array {
    if (this.#key === undefined || (!this.#isEscaped && !typed.includes(this.#key))) return typed;
    const rest = new Uint8Array(typed.length);
    let length = 0;
    for (const byte of typed) {
      if (this.#isEscaped) {
        this.#isEscaped = false;
        const command = COMMANDS[String.fromCharCode(byte).toLowerCase()];
        const isKey = byte === this.#key || byte === this.#key + 0x60;
        if (isKey) rest[length++] = this.#key;
        else if (command !== undefined) this.#oncommand(command);
      } else if (byte === this.#key) {
        this.#isEscaped = true;
      } else {
        rest[length++] = byte;
      }
    }
    return rest.subarray(0, length);
  }
}

/** The escape key as a person reads it: `Ctrl-A`. */
export function keyName(key: number): string {
  return `Ctrl-${String.fromCharCode(key + 0x40)}`;
}

/** What the help command shows. */
export function escapeHelp(key: number): string[] {
  const name = keyName(key);
  const letter = String.fromCharCode(key + 0x40);
  return [
    `${name} x       leave (a guest that can is switched off orderly; again: at once)`,
    `${name} h       this help`,
    `${name} s       what the machine is doing`,
    `${name} b       send a break to the guest's serial port`,
    `${name} ${name}  send ${name} itself (${name} ${letter.toLowerCase()} as well)`,
  ];
}

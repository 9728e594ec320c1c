import type { IrqLine } from "@isomorph/interface";

/** An interrupt wire that is handed to a device before it is known where its other end goes. */
export class Wire implements IrqLine {
  #level = false;
  #target: IrqLine | undefined;

  set(level: boolean): void {
    if (level === this.#level) return;
    this.#level = level;
    this.#target?.set(level);
  }

  /** Plugs in the other end. */
  connect(target: IrqLine): void {
    this.#target = target;
    target.set(this.#level);
  }
}

import type { SnapshotState, VmExit } from "@isomorph/interface";
import { CoreHart, type HartEnvironment } from "../core/hart.ts";
import { Interrupt } from "../trap/causes.ts";
import type { HartChannel } from "./channel.ts";
import { Mail, Mailbox } from "./layout.ts";

/** Interrupt inputs that are lines. */
export const LINE_CAUSES: readonly number[] = [
  Interrupt.MACHINE_SOFTWARE,
  Interrupt.MACHINE_TIMER,
  Interrupt.SUPERVISOR_EXTERNAL,
  Interrupt.MACHINE_EXTERNAL,
];

/**
 * A hart as another thread sees it. Its state may be read and written while it rests; what it can be asked for at any
 * time goes by mail.
 */
export class RemoteHart extends CoreHart {
  readonly #channel: HartChannel;

  constructor(environment: HartEnvironment, channel: HartChannel) {
    super(environment);
    this.#channel = channel;
  }

  override run(): VmExit {
    throw new TypeError(`hart ${this.id} runs in a thread of its own`);
  }

  override setInterrupt(cause: number, level: boolean): void {
    if (LINE_CAUSES.includes(cause)) {
      this.#channel.changeLines(1 << cause, level);
      this.#channel.notify(Mail.LINES);
    } else if (cause === Interrupt.SUPERVISOR_SOFTWARE && level) {
      this.#channel.notify(Mail.SOFTWARE_INTERRUPT);
    } else {
      super.setInterrupt(cause, level);
    }
  }

  override requestExit(): void {
    this.#channel.notify(Mail.EXIT);
  }

  override fence(kind: "instruction" | "address-translation"): void {
    this.#channel.post(kind === "instruction" ? Mail.FENCE_I : Mail.FENCE_VMA);
  }

  override get interruptPending(): boolean {
    this.#fold();
    return super.interruptPending;
  }

  override reset(start: { pc: number; a0: number; a1: number }): void {
    this.#fold();
    super.reset(start);
  }

  override save(): SnapshotState {
    this.#fold();
    return super.save();
  }

  /** Brings interrupts that are still in the mail into the hart's state. Only while the hart rests or calls. */
  #fold(): void {
    const { words } = this.#channel;
    const mail = (this.stateAddress + Mailbox.MAIL) >>> 2;
    const found = Atomics.and(words, mail, ~Mail.SOFTWARE_INTERRUPT);
    if (found & Mail.SOFTWARE_INTERRUPT) super.setInterrupt(Interrupt.SUPERVISOR_SOFTWARE, true);
    const lines = this.#channel.read(Mailbox.LINES);
    for (const cause of LINE_CAUSES) super.setInterrupt(cause, ((lines >>> cause) & 1) !== 0);
  }
}

import { Activity, Control, Mailbox, URGENT } from "./layout.ts";
import type { ProcessorShare } from "./share.ts";

/** Microseconds in which an answer of a hart that runs is likely, so that sleeping would cost more. */
const SPIN_MS = 0.03;
/** Milliseconds after which a wait looks again by itself. */
const LOOK_AGAIN_MS = 0.5;

/**
 * One end of the words by which the threads of a machine talk to one hart. Each thread has a channel for each hart.
 *
 * Who asks sets bits in MAIL and then reads ACTIVITY; the hart sets ACTIVITY and then reads MAIL. Both orders are
 * sequentially consistent. So a hart that is not running need not be waited for: it serves its mail before it
 * executes anything.
 */
export class HartChannel {
  readonly words: Int32Array;
  /** Index of the first word of the hart's block. */
  readonly #base: number;

  constructor(memory: WebAssembly.Memory, state: number) {
    this.words = new Int32Array(memory.buffer);
    this.#base = state >>> 2;
  }

  #at(offset: number): number {
    return this.#base + (offset >>> 2);
  }
  read(offset: number): number {
    return Atomics.load(this.words, this.#at(offset));
  }
  write(offset: number, value: number): void {
    Atomics.store(this.words, this.#at(offset), value);
  }
  /** Replaces `expected`; whether it was there. */
  replace(offset: number, expected: number, value: number): boolean {
    return Atomics.compareExchange(this.words, this.#at(offset), expected, value) === expected;
  }

  /** Asks for something that the hart does before it executes anything else, but does not wake it. */
  post(mail: number): void {
    Atomics.or(this.words, this.#at(Mailbox.MAIL), URGENT | mail);
  }

  /** Asks, and makes the hart look at it also when it sleeps. */
  notify(mail: number): void {
    this.post(mail);
    if (this.read(Mailbox.ACTIVITY) !== Activity.RUNNING) this.wake();
  }

  wake(): void {
    Atomics.add(this.words, this.#at(Mailbox.WAKE), 1);
    Atomics.notify(this.words, this.#at(Mailbox.WAKE));
  }

  /** Asks, and gives back a ticket for {@link isServed}. */
  request(mail: number): number {
    this.post(mail);
    const ticket = (Atomics.add(this.words, this.#at(Mailbox.POSTED), 1) + 1) | 0;
    // If the mail was taken before there was a ticket, nothing would ever serve the ticket.
    this.post(mail);
    return ticket;
  }

  /** Whether what was asked for with a ticket is done, or will be before the hart executes anything. */
  isServed(ticket: number): boolean {
    return (
      this.read(Mailbox.ACTIVITY) !== Activity.RUNNING || ((this.read(Mailbox.SERVED) - ticket) | 0) >= 0
    );
  }

  /** Waits until {@link isServed}. The caller's hart must not be running. */
  await(ticket: number): void {
    if (this.isServed(ticket)) return;
    const { words } = this;
    const end = performance.now() + SPIN_MS;
    while (performance.now() < end) if (this.isServed(ticket)) return;
    const waiters = Control.WAITERS >>> 2;
    Atomics.add(words, waiters, 1);
    const served = this.#at(Mailbox.SERVED);
    for (;;) {
      const seen = Atomics.load(words, served);
      if (this.isServed(ticket)) break;
      Atomics.wait(words, served, seen, LOOK_AGAIN_MS);
    }
    Atomics.sub(words, waiters, 1);
  }

  /** For the hart's own thread: takes the mail; `serve` gets its bits. Then everything posted before is served. */
  takeMail(serve: (mail: number) => void): void {
    if (this.read(Mailbox.MAIL) === 0) return;
    const posted = this.read(Mailbox.POSTED);
    serve(Atomics.exchange(this.words, this.#at(Mailbox.MAIL), 0) & ~URGENT);
    this.write(Mailbox.SERVED, posted);
    this.#notifyWaiters();
  }

  /** For the hart's own thread: says that it executes nothing from now on, by what it does instead. */
  stand(activity: number): void {
    this.write(Mailbox.ACTIVITY, activity);
    this.#notifyWaiters();
  }

  #notifyWaiters(): void {
    if (Atomics.load(this.words, Control.WAITERS >>> 2) !== 0) {
      Atomics.notify(this.words, this.#at(Mailbox.SERVED));
    }
  }

  /** Changes interrupt inputs, as `mip` bits. */
  changeLines(bit: number, level: boolean): void {
    const at = this.#at(Mailbox.LINES);
    if (level) Atomics.or(this.words, at, bit);
    else Atomics.and(this.words, at, ~bit);
  }

  /** For the hart's own thread: sleeps until {@link wake}, for `milliseconds` at most, unless `WAKE` is not `seen`. */
  sleep(seen: number, milliseconds: number): void {
    Atomics.wait(this.words, this.#at(Mailbox.WAKE), seen, milliseconds);
  }
}

/** A channel for each hart. */
export function channelsOf({ memories: { memory }, blocks }: ProcessorShare): HartChannel[] {
  return Array.from(
    { length: blocks.count },
    (_, id) => new HartChannel(memory, blocks.start + id * blocks.stride),
  );
}

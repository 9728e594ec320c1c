import type { Failure, GuestImages, PageMessage, TerminalSize, WorkerMessage } from "../protocol.ts";

/** What a {@link MachineClient} tells the page. */
export interface MachineEvents {
  /** Everything that the worker says. After `ended` or `failed` comes nothing more. */
  readonly onmessage: (message: WorkerMessage) => void;
}

/** Milliseconds that a machine has for its orderly end. */
const STOP_MS = 3000;

/** The page's end of a worker with one machine, from its boot to its end. */
export class MachineClient {
  readonly #worker: Worker;
  readonly #events: MachineEvents;
  #stopping: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(events: MachineEvents) {
    this.#events = events;
    this.#worker = new Worker(new URL("../machine/worker.ts", import.meta.url), {
      type: "module",
      name: "isomorph machine",
    });
    this.#worker.onmessage = (event: MessageEvent<WorkerMessage>) => this.#receive(event.data);
    this.#worker.onmessageerror = () => this.#fail({ message: "A message from the machine cannot be read." });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message ? `: ${event.message}` : ": its program could not be loaded";
      this.#fail({ message: `The worker with the machine broke down${reason}.` });
    };
  }

  boot(images: GuestImages, machine: { memory: number; harts: number }, size: TerminalSize): void {
    this.#send({ type: "boot", images, ...machine, size });
  }

  /** Bytes that were typed. */
  input(bytes: Uint8Array): void {
    this.#send({ type: "input", bytes });
  }

  /** The terminal has shown so many bytes of output. */
  shown(length: number): void {
    this.#send({ type: "shown", length });
  }

  resize(size: TerminalSize): void {
    this.#send({ type: "resize", size });
  }

  reset(): void {
    this.#send({ type: "reset" });
  }

  /** Ends the machine: in order, or by force when that takes too long. `ended` comes in either case. */
  stop(): void {
    if (this.#isOver) return;
    this.#send({ type: "stop" });
    const detail = "The machine did not answer and was switched off.";
    this.#stopping ??= setTimeout(
      () => this.#receive({ type: "ended", ending: { reason: "stopped", detail } }),
      STOP_MS,
    );
  }

  #send(message: PageMessage): void {
    if (!this.#isOver) this.#worker.postMessage(message);
  }

  #fail(failure: Failure): void {
    this.#receive({ type: "failed", failure });
  }

  #receive(message: WorkerMessage): void {
    if (this.#isOver) return;
    if (message.type === "ended" || message.type === "failed") {
      this.#isOver = true;
      clearTimeout(this.#stopping);
      this.#worker.terminate();
    }
    this.#events.onmessage(message);
  }
}

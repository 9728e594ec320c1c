import { riscv64 } from "@isomorph/cpu";
import { createVm, type VmOutcome } from "@isomorph/hypervisor";
import { webThreads } from "@isomorph/hypervisor/web";
import { uart16550, virtioBlk, virtioConsole } from "@isomorph/io";
import type { Ending, PageMessage, TerminalSize, WorkerMessage } from "../protocol.ts";
import { ConsoleOutput } from "./console-output.ts";
import { Consoles } from "./consoles.ts";
import { openGuest } from "./guest.ts";

/** How a {@link Machine} tells what happens. */
export type Post = (message: WorkerMessage, transfer?: readonly Transferable[]) => void;

/** Milliseconds between two reports of the speed. */
const SPEED_MS = 500;

/** A machine and its way from the first download to its end. */
export class Machine {
  readonly #post: Post;
  readonly #aborter = new AbortController();
  #consoles: Consoles | undefined;
  #output: ConsoleOutput | undefined;
  #resize: ((size: TerminalSize) => void) | undefined;
  #reset: (() => void) | undefined;

  constructor(post: Post) {
    this.#post = post;
  }

  /** Fetches the guest, boots it and runs it to its end. Rejects when something of the host's fails. */
  async run({ images, memory, harts, size }: PageMessage & { readonly type: "boot" }): Promise<Ending> {
    const { signal } = this.#aborter;
    let latestSize = size;
    this.#resize = (next) => {
      latestSize = next;
    };
    try {
      const onProgress = (image: string, loaded: number, total: number): void =>
        this.#post({ type: "progress", image, loaded, total });
      const guest = await openGuest(images, { memory, signal, onProgress });
      const vm = await createVm({
        cpu: riscv64(),
        memory,
        ...(harts > 1 ? { harts, threads: webThreads() } : {}),
        ...guest.boot,
        signal,
        devices: {
          serial: uart16550(),
          ...(guest.disk === undefined ? {} : { root: virtioBlk({ backend: guest.disk }) }),
          console: virtioConsole(),
        },
      });
      const { serial, console } = vm.devices;
      const output = new ConsoleOutput({
        post: (bytes) => this.#post({ type: "output", bytes }, [bytes.buffer]),
        pause: () => vm.pause(),
        resume: () => vm.resume(),
      });
      const consoles = new Consoles(serial, console, (bytes) => output.push(bytes));
      this.#output = output;
      this.#consoles = consoles;
      const resize = ({ columns, rows }: TerminalSize): void => console.resize(columns, rows);
      resize(latestSize);
      this.#resize = resize;
      this.#reset = () => {
        vm.reset();
        consoles.reset();
      };
      this.#post({ type: "running" });
      const begin = performance.now();
      const reportSpeed = (): void => {
        const instructions = vm.counters()["vm.instructions"] ?? 0;
        this.#post({ type: "speed", instructions, milliseconds: performance.now() - begin });
      };
      const timer = setInterval(reportSpeed, SPEED_MS);
      try {
        const outcome = await vm.run({ signal });
        serial.flush();
        console.flush();
        output.flush();
        reportSpeed();
        return endingOf(outcome);
      } finally {
        clearInterval(timer);
        await vm.close();
        await guest.disk?.close();
      }
    } catch (error) {
      if (signal.aborted) return endingOf({ reason: "stopped" });
      throw error;
    }
  }

  /** Does what the page asks for. What comes before the machine is there, or after its end, has no effect. */
  handle(message: PageMessage): void {
    switch (message.type) {
      case "input":
        this.#consoles?.write(message.bytes);
        break;
      case "shown":
        this.#output?.shown(message.length);
        break;
      case "resize":
        this.#resize?.(message.size);
        break;
      case "reset":
        this.#reset?.();
        break;
      case "stop":
        this.#aborter.abort();
        break;
      case "boot":
        break;
    }
  }
}

function endingOf(outcome: VmOutcome): Ending {
  switch (outcome.reason) {
    case "power-off": {
      const detail =
        outcome.code === 0
          ? "The guest switched the machine off."
          : `The guest failed with code ${outcome.code}.`;
      return { reason: "power-off", detail };
    }
    case "crashed":
      return { reason: "crashed", detail: `The guest cannot go on: ${outcome.detail}.` };
    default:
      return { reason: "stopped", detail: "The machine was stopped." };
  }
}

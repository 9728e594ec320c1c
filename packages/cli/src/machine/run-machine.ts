import type { RunOptions, Vm, VmOutcome } from "@isomorph/hypervisor";
import { CommandError, EXIT } from "../command/failure.ts";
import type { Progress } from "../command/progress.ts";
import type { ConsoleTail } from "./console-tail.ts";

const SIGNALS = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15, SIGHUP: 1 } as const;
type StopSignal = keyof typeof SIGNALS;

/** Milliseconds that a guest has for each step of an orderly end after a signal. */
const GRACE = 20_000;

/** Why a run ended that the guest did not end itself. */
export class Interruption extends CommandError {
  override readonly name: string = "Interruption";
}

/** How a machine is run under the host's signals and the clock on the wall. */
export interface SupervisionOptions {
  readonly vm: Vm;
  /** Seconds after which the machine is stopped. */
  readonly timeout?: number | undefined;
  /**
   * Asks the guest for an orderly end. False when there is nobody in the guest to ask; then the machine is stopped at
   * once. Called again with `insist` when the guest does not follow.
   */
  readonly askToEnd?: (signal: StopSignal | "quit", insist: boolean) => boolean;
  readonly progress: Progress;
}

/**
 * Runs a machine until it ends, the timeout passes or a signal comes. A first signal asks for an orderly end, a second
 * one insists, a third one (or time) stops the machine. `quit` is the same for the escape key.
 */
export class Supervisor {
  readonly #options: SupervisionOptions;
  readonly #controller = new AbortController();
  #asked = 0;
  #exitCode: number = EXIT.OK;
  #isRunning = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #interruption: Interruption | undefined;

  constructor(options: SupervisionOptions) {
    this.#options = options;
  }

  /** The outcome; or throws an {@link Interruption} when the machine did not end by itself. */
  async run(options: Pick<RunOptions, "maxInstructions"> = {}): Promise<VmOutcome> {
    const { vm, timeout } = this.#options;
    const onsignal = (signal: NodeJS.Signals): void => this.end(signal as StopSignal);
    for (const signal of Object.keys(SIGNALS)) process.on(signal, onsignal);
    const deadline =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            const text = `the machine was stopped: --timeout of ${timeout} s has passed`;
            this.#stop(new Interruption(text, { exitCode: EXIT.TIMEOUT }));
          }, timeout * 1000);
    this.#isRunning = true;
    try {
      const outcome = await vm.run({ ...options, signal: this.#controller.signal });
      if (outcome.reason === "aborted" && this.#interruption !== undefined) throw this.#interruption;
      return outcome;
    } finally {
      this.#isRunning = false;
      clearTimeout(deadline);
      clearTimeout(this.#timer);
      for (const signal of Object.keys(SIGNALS)) process.off(signal, onsignal);
    }
  }

  /** Whether someone has asked for the end. */
  get isEnding(): boolean {
    return this.#asked > 0;
  }

  /** What the process exits with when the guest ended well: 0, or what the signal says that asked for the end. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Asks for the end of the machine. `isReminder`: nobody has asked once more, but time has passed. */
  end(signal: StopSignal | "quit", isReminder = false): void {
    if (!this.#isRunning) return;
    const { askToEnd } = this.#options;
    const exitCode = signal === "quit" ? EXIT.OK : 128 + SIGNALS[signal];
    this.#exitCode = exitCode;
    const how = signal === "quit" ? "the machine was switched off" : `stopped by ${signal}`;
    const stopped = new Interruption(how, { exitCode });
    this.#asked++;
    clearTimeout(this.#timer);
    if (
      this.#asked > 2 ||
      (this.#asked > 1 && signal === "quit" && !isReminder) ||
      !askToEnd?.(signal, this.#asked > 1)
    ) {
      this.#stop(stopped);
      return;
    }
    this.#timer = setTimeout(() => this.end(signal, true), GRACE);
  }

  /** Stops the machine at once, since what it was to do is done. */
  finish(why: string): void {
    if (this.#isRunning) this.#stop(new Interruption(why, { exitCode: EXIT.OK }));
  }

  #stop(reason: Interruption): void {
    this.#interruption ??= reason;
    this.#controller.abort(reason);
  }
}

/** An error about a guest that ended in a way it should not have, with the last lines of its console. */
export function guestFailure(text: string, tail: ConsoleTail): CommandError {
  const lines = tail.lines();
  const shown =
    lines.length === 0 ? "" : `; its console's last lines:\n${lines.map((l) => `  ${l}`).join("\n")}`;
  return new CommandError(text + shown);
}

import type { VmOutcome } from "@isomorph/hypervisor";
import type { BlockBackend } from "@isomorph/interface";
import { agentCommandLine } from "../agent/bootstrap.ts";
import { AgentSession } from "../agent/session.ts";
import { CommandError, EXIT, guestExitCode } from "../command/failure.ts";
import type { Progress } from "../command/progress.ts";
import type { Sight } from "../sight/sight.ts";
import { ConsoleLink } from "../terminal/console-link.ts";
import { InteractiveTerminal, terminalSize } from "../terminal/interactive.ts";
import { ConsoleTail } from "./console-tail.ts";
import { ConsoleWatch } from "./console-watch.ts";
import { closeDisks } from "./disks.ts";
import { collectWhenIdle } from "./idle-collector.ts";
import { buildMachine, type Machine, type MachineConfig } from "./machine.ts";
import { guestFailure, Interruption, Supervisor } from "./run-machine.ts";
import { statsText } from "./stats.ts";

/** Who is at the other end of the machine. */
export type SessionMode =
  /** A command in the guest, its standard streams at this process's. */
  | { readonly kind: "command"; readonly command: string }
  /** A person at a terminal, in a shell that the agent starts. */
  | { readonly kind: "shell"; readonly escapeKey: number | undefined }
  /** A person at a terminal, which is the guest's console. */
  | { readonly kind: "terminal"; readonly device: ConsoleDevice; readonly escapeKey: number | undefined }
  /** The standard streams, without a terminal, as the guest's console. */
  | { readonly kind: "pipe"; readonly device: ConsoleDevice };

/** Which of the guest's devices is the console. */
export type ConsoleDevice = "serial" | "virtio";

/** When a session ends that its guest does not end: by whichever comes first. */
export interface SessionEnd {
  /** The console has shown this. A guest that ends before that is a failure. */
  readonly text?: string | undefined;
  readonly seconds?: number | undefined;
  /** So many were executed. */
  readonly instructions?: number | undefined;
}

/** A machine and how it is used. */
export interface SessionOptions {
  readonly machine: Omit<MachineConfig, "agent" | "virtioConsole" | "disks" | "onReset" | "log">;
  readonly disks: readonly BlockBackend[];
  readonly mode: SessionMode;
  /** What the guest is called in messages. */
  readonly guestName: string;
  readonly timeout?: number | undefined;
  readonly verbose: boolean;
  readonly stats: boolean;
  /** Watches the machine. */
  readonly sight?: Sight | undefined;
  /** A reset by the guest ends the session. */
  readonly noReboot?: boolean;
  readonly end?: SessionEnd | undefined;
  readonly progress: Progress;
  /** The agent's task has started, so many seconds after power-on. */
  readonly onup?: (seconds: number) => void;
  readonly oninputend?: (bytes: number) => void;
}

/** Columns and rows of a console that nobody looks at. */
const DEFAULT_SIZE: [number, number] = [80, 24];
const END_OF_TRANSMISSION = Uint8Array.of(4);

/**
 * Runs a machine to its end with the process's standard streams, and closes everything it was given.
 *
 * @returns the exit code.
 */
export async function runSession(options: SessionOptions): Promise<number> {
  const { disks, progress } = options;
  const startedAt = performance.now();
  let machine: Machine | undefined;
  let exitCode: number;
  const endCollecting = collectWhenIdle();
  try {
    const session = new Session(options, startedAt);
    machine = await session.build();
    options.sight?.begin(machine.vm);
    exitCode = await session.run(machine);
  } catch (error) {
    if (!(error instanceof Interruption && error.exitCode === EXIT.OK)) throw error;
    if (options.mode.kind === "shell") progress.say("the guest did not switch itself off and was stopped");
    exitCode = EXIT.OK;
  } finally {
    endCollecting();
    progress.clear();
    if (options.stats && machine !== undefined) process.stderr.write(statsText(machine.vm, startedAt));
    try {
      if (machine !== undefined) await options.sight?.end(machine.vm);
    } finally {
      await machine?.vm.close();
      await closeDisks(disks);
    }
  }
  return exitCode;
}

class Session {
  readonly #options: SessionOptions;
  readonly #startedAt: number;
  readonly #tail = new ConsoleTail();
  readonly #agent: AgentSession | undefined;
  readonly #watch: ConsoleWatch | undefined;
  #bootTimer: ReturnType<typeof setInterval> | undefined;
  #supervisor: Supervisor | undefined;

  constructor(options: SessionOptions, startedAt: number) {
    this.#options = options;
    this.#startedAt = startedAt;
    const { mode, end } = options;
    if (end?.text !== undefined) {
      this.#watch = new ConsoleWatch(end.text, () => this.#supervisor?.finish("the console has shown it"));
    }
    if (mode.kind !== "command" && mode.kind !== "shell") return;
    const { stdin, stdout, stderr } = process;
    this.#agent = new AgentSession({
      task: () => {
        if (mode.kind === "command") return { kind: "command", command: mode.command };
        const [columns, rows] = terminalSize(stdout);
        const term = process.env.TERM ?? "vt220";
        return { kind: "shell", terminal: "/dev/hvc0", term, columns, rows };
      },
      streams: mode.kind === "command" ? { stdin, stdout, stderr } : undefined,
      onup: () => this.#up(),
      oninputend: options.oninputend,
    });
  }

  build(): Promise<Machine> {
    const { machine, disks, mode, noReboot, verbose, progress } = this.#options;
    const hasVirtio = mode.kind === "shell" || (mode.kind !== "command" && mode.device === "virtio");
    const size = process.stdout.isTTY ? terminalSize(process.stdout) : DEFAULT_SIZE;
    const agent = this.#agent;
    return buildMachine({
      ...machine,
      disks,
      cmdline: agent === undefined ? machine.cmdline : agentCommandLine(machine.cmdline ?? ""),
      agent: agent?.device,
      virtioConsole: hasVirtio ? { columns: size[0], rows: size[1] } : undefined,
      onReset: noReboot === true || agent !== undefined ? "return" : "restart",
      log: (level, message) => {
        if (verbose || level === "error") progress.say(`${level}: ${message}`);
      },
    });
  }

  async run(machine: Machine): Promise<number> {
    const { vm, serial } = machine;
    const { mode, progress, timeout, verbose } = this.#options;
    const supervisor = new Supervisor({
      vm,
      timeout,
      progress,
      askToEnd: (signal, insist) => this.#askToEnd(signal, insist),
    });
    this.#supervisor = supervisor;
    const seconds = this.#options.end?.seconds;
    const enough =
      seconds === undefined ? undefined : setTimeout(() => supervisor.finish("time is over"), seconds * 1000);
    const hold = { pause: () => vm.pause(), resume: () => vm.resume() };
    const port =
      mode.kind === "shell" || ("device" in mode && mode.device === "virtio") ? machine.console : serial;
    if (port !== serial || mode.kind === "command") {
      serial.ontransmit = (bytes) => {
        this.#tail.add(bytes);
        this.#watch?.add(bytes);
        if (verbose) process.stderr.write(bytes);
      };
    }
    const connect = (onoutput?: (bytes: Uint8Array) => void): ConsoleLink =>
      new ConsoleLink({
        port: port ?? serial,
        output: process.stdout,
        ...hold,
        onoutput: (bytes) => {
          if (port === serial) this.#tail.add(bytes);
          this.#watch?.add(bytes);
          onoutput?.(bytes);
        },
      });
    let close: () => Promise<void> = async () => {};
    try {
      if (mode.kind === "shell" || mode.kind === "terminal") {
        const terminal = new InteractiveTerminal({
          input: process.stdin,
          output: process.stdout,
          link: connect,
          serial,
          console: machine.console,
          escapeKey: mode.escapeKey,
          progress,
          onquit: () => {
            if (this.#agent !== undefined) progress.say("powering off; once more: at once");
            supervisor.end("quit");
          },
          status: () => this.#status(machine),
        });
        close = () => terminal.close();
      } else if (mode.kind === "pipe") {
        const link = connect();
        close = () => link.close();
        this.#feed(link, port ?? serial);
      } else {
        const agent = this.#agent;
        close = async () => agent?.flush();
      }
      this.#showBoot();
      return await this.#untilEnd(machine, supervisor);
    } finally {
      clearInterval(this.#bootTimer);
      clearTimeout(enough);
      progress.clear();
      await close();
      process.stdin.pause();
    }
  }

  async #untilEnd({ vm }: Machine, supervisor: Supervisor): Promise<number> {
    const { mode, progress, noReboot, end } = this.#options;
    for (;;) {
      const { instructions } = end ?? {};
      const outcome = await supervisor.run(
        instructions === undefined ? {} : { maxInstructions: instructions },
      );
      if (outcome.reason === "instruction-limit") return EXIT.OK;
      if (this.#watch?.isFound === false && outcome.reason === "power-off") {
        throw guestFailure(
          `${this.#options.guestName} has ended before it showed "${end?.text}"`,
          this.#tail,
        );
      }
      const isReset = outcome.reason === "reset";
      if (
        isReset &&
        mode.kind === "shell" &&
        noReboot !== true &&
        !this.#tail.hasPanic &&
        !supervisor.isEnding
      ) {
        progress.say("restarting");
        this.#tail.clear();
        this.#showBoot();
        continue;
      }
      return this.#exitCode(outcome, supervisor, vm.counters());
    }
  }

  #exitCode(outcome: VmOutcome, supervisor: Supervisor, counters: Readonly<Record<string, number>>): number {
    const { mode, guestName } = this.#options;
    const status = this.#agent?.status;
    switch (outcome.reason) {
      case "power-off":
        if (mode.kind === "command") return status ?? guestExitCode(outcome.code);
        return outcome.code === 0 ? supervisor.exitCode : guestExitCode(outcome.code);
      case "reset":
        if (mode.kind === "command" && status !== undefined) return status;
        if (this.#tail.hasPanic) throw guestFailure(`the kernel of ${guestName} has panicked`, this.#tail);
        if (mode.kind !== "command") return supervisor.exitCode;
        throw guestFailure(`${guestName} asked for a reset before the command had ended`, this.#tail);
      case "crashed":
        throw guestFailure(`${guestName} has crashed: ${outcome.detail}`, this.#tail);
      default:
        throw new CommandError(
          `the machine has ended unexpectedly (${outcome.reason}) after ${counters["vm.instructions"]} instructions`,
        );
    }
  }

  /** Someone wants the machine to end: signals go to what runs in the guest. */
  #askToEnd(signal: string, insist: boolean): boolean {
    if (this.#agent === undefined) return false;
    if (insist) return this.#agent.signal("KILL");
    return this.#options.mode.kind === "shell"
      ? this.#agent.endShell()
      : this.#agent.signal(signal.replace("SIG", ""));
  }

  /** Standard input as what is typed; its end is the key that means so. */
  #feed(link: ConsoleLink, port: { write(bytes: Uint8Array): number }): void {
    let bytes = 0;
    const count = (chunk: Uint8Array): Uint8Array => {
      bytes += chunk.length;
      return chunk;
    };
    link.feed(process.stdin, count, {
      onend: () => {
        if (bytes > 0) port.write(END_OF_TRANSMISSION);
      },
    });
  }

  #showBoot(): void {
    const { progress, guestName } = this.#options;
    if (this.#agent === undefined) return;
    const begin = performance.now();
    const show = (): void =>
      progress.update(
        "boot",
        `booting ${guestName} ... ${((performance.now() - begin) / 1000).toFixed(1)} s`,
      );
    show();
    clearInterval(this.#bootTimer);
    this.#bootTimer = setInterval(show, 100);
    this.#bootTimer.unref();
  }

  #up(): void {
    clearInterval(this.#bootTimer);
    this.#options.progress.clear();
    this.#options.onup?.((performance.now() - this.#startedAt) / 1000);
  }

  #status({ vm }: Machine): string {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const instructions = vm.counters()["vm.instructions"] ?? 0;
    return `${this.#options.guestName}: ${seconds.toFixed(0)} s, ${(instructions / 1e6).toFixed(0)} million instructions`;
  }
}

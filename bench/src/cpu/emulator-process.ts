import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { Command, Cost } from "../benchmark.ts";
import { onOneCpu } from "../one-cpu.ts";
import { processTimes } from "./process-times.ts";

/** How much of the output an error quotes, in characters. */
const QUOTED = 2000;

/** A running emulator, on one CPU: its console on standard input and output, and its clocks. */
export class EmulatorProcess {
  readonly #command: Command;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #started = performance.now();
  readonly #kill = (): void => this.close();
  #output = "";
  #closed = false;

  /**
   * @param onText - Receives what the console says, at once.
   * @param onEnd - Called when the emulator ends by itself, or can't be started.
   */
  constructor(command: Command, onText: (text: string) => void, onEnd: (reason: string) => void) {
    this.#command = command;
    const [program = "", ...args] = onOneCpu(command.argv);
    // A group of its own, so that helpers of the emulator end with it.
    this.#child = spawn(program, args, {
      detached: true,
      env: { ...process.env, ...command.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    process.once("exit", this.#kill);
    this.#child.stdin.on("error", () => {
      // Its end says more.
    });
    const collect = (chunk: Buffer): string => {
      // Marks are plain ASCII.
      const text = chunk.toString("latin1");
      this.#output = (this.#output + text).slice(-QUOTED);
      return text;
    };
    this.#child.stdout.on("data", (chunk: Buffer) => {
      const text = collect(chunk);
      if (!this.#closed) onText(text);
    });
    this.#child.stderr.on("data", collect);
    this.#child.once("error", (error) => onEnd(error.message));
    this.#child.once("close", (code, signal) => {
      if (!this.#closed) onEnd(`the emulator ended (${signal ?? `exit code ${code}`})`);
    });
  }

  /**
   * What it has cost from its start until now.
   *
   * @throws Error when it is gone.
   */
  sample(): Cost {
    const { pid } = this.#child;
    const times = pid === undefined ? undefined : processTimes(pid);
    if (times === undefined) throw new Error("the emulator was gone before its clocks were read");
    return { ...times, wall: (performance.now() - this.#started) / 1000 };
  }

  /** Types into the console. */
  send(text: string): void {
    this.#child.stdin.write(text);
  }

  /** An error about it that quotes the end of its output. */
  error(what: string): Error {
    const said = this.#output === "" ? "it said nothing" : `its output ended:\n${this.#output}`;
    return new Error(`${what}\n${this.#command.argv.join(" ")}\n${said}`);
  }

  /** Ends it, with all of its group. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off("exit", this.#kill);
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // The group has ended by itself.
    }
  }
}

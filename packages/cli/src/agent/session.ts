import type { Readable, Writable } from "node:stream";
import { type SerialPort, VirtioSerialPorts } from "@isomorph/io";
import { CommandError } from "../command/failure.ts";
import { AGENT_PORTS } from "./bootstrap.ts";
import { type AgentTask, agentScript } from "./script.ts";

/** The host's streams that a command's standard streams are connected to. */
export interface SessionStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** What a session is made of. */
export interface SessionOptions {
  /** What the guest is to do; asked for at each start of the machine. */
  readonly task: () => AgentTask;
  /** Only for a command; a shell uses the guest's terminal. */
  readonly streams?: SessionStreams | undefined;
  /** The guest's system is up, and its task starts. */
  readonly onup?: (() => void) | undefined;
  /** Standard input has come to its end, after so many bytes. */
  readonly oninputend?: ((bytes: number) => void) | undefined;
}

/** Bytes of a line from the guest that are looked at. */
const LONGEST_LINE = 256;

/**
 * The host's side of the agent: gives the guest its script, connects the command's standard streams, and learns its exit
 * status. Everything travels through virtio ports, nothing over the console.
 */
export class AgentSession {
  readonly device: VirtioSerialPorts = new VirtioSerialPorts({ names: Object.values(AGENT_PORTS) });
  /** Exit status of the task, once the guest has told it: its disks are whole by then. */
  status: number | undefined;
  /** Whether the task has been started in this start of the machine. */
  isUp = false;
  readonly #options: SessionOptions;
  #line = "";
  #inputBytes = 0;
  #inputStarted = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const script = this.#port(AGENT_PORTS.script);
    script.onopen = () => {
      script.write(new TextEncoder().encode(agentScript(options.task())));
      script.end();
    };
    const control = this.#port(AGENT_PORTS.control);
    control.ontransmit = (bytes) => this.#control(bytes);
    control.onclose = () => {
      this.isUp = false;
      this.#line = "";
    };
    if (options.streams === undefined) return;
    this.#connectInput(options.streams.stdin);
    this.#connectOutput(1, AGENT_PORTS.stdout, options.streams.stdout);
    this.#connectOutput(2, AGENT_PORTS.stderr, options.streams.stderr);
  }

  /** Sends a signal, such as `INT`, to the task and all that belongs to its session. False before it is up. */
  signal(name: string): boolean {
    return this.#order(`signal ${name}`);
  }

  /** Ends the shell, so that the machine is switched off. False before it is up. */
  endShell(): boolean {
    return this.#order("end");
  }

  /** Resolves when the host's streams have taken all output; never rejects. */
  async flush(): Promise<void> {
    const { streams } = this.#options;
    if (streams === undefined) return;
    streams.stdin.pause();
    await Promise.all([drained(streams.stdout), drained(streams.stderr)]);
  }

  #port(name: string): SerialPort {
    const port = this.device.ports.find((candidate) => candidate.name === name);
    if (port === undefined) throw new CommandError(`the agent has no port ${name}`);
    return port;
  }

  #order(line: string): boolean {
    const control = this.#port(AGENT_PORTS.control);
    if (!this.isUp || !control.isOpen) return false;
    control.write(new TextEncoder().encode(`${line}\n`));
    return true;
  }

  #control(bytes: Uint8Array): void {
    for (const character of new TextDecoder("latin1").decode(bytes)) {
      if (character !== "\n") {
        if (this.#line.length < LONGEST_LINE) this.#line += character;
        continue;
      }
      const [verb, value] = this.#line.split(" ");
      this.#line = "";
      if (verb === "up" && !this.isUp) {
        this.isUp = true;
        this.#options.onup?.();
      } else if (verb === "exit" && /^\d{1,3}$/.test(value ?? "")) {
        this.status = Number(value);
      }
    }
  }

  #connectInput(stdin: Readable): void {
    const port = this.#port(AGENT_PORTS.stdin);
    port.onopen = () => {
      if (this.#inputStarted) return;
      this.#inputStarted = true;
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        port.end();
        this.#options.oninputend?.(this.#inputBytes);
      };
      stdin.on("data", (chunk: Buffer) => {
        this.#inputBytes += chunk.length;
        if (!port.write(chunk)) stdin.pause();
      });
      stdin.on("end", end);
      stdin.on("close", end);
      // What cannot be read has no more to give.
      stdin.on("error", end);
      if (stdin.readableEnded || stdin.destroyed) end();
      stdin.resume();
    };
    port.ondrain = () => stdin.resume();
    port.onclose = () => stdin.pause();
  }

  #connectOutput(number: 1 | 2, name: string, stream: Writable): void {
    const port = this.#port(name);
    let isBroken = false;
    port.ontransmit = (bytes) => {
      if (isBroken || stream.write(bytes)) return;
      port.pause();
    };
    stream.on("drain", () => port.resume());
    // Nobody reads any more: the command is to get SIGPIPE, as it would without a machine between.
    stream.on("error", () => {
      isBroken = true;
      port.resume();
      this.#order(`broken ${number}`);
    });
  }
}

function drained(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.errored || stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.once("close", () => resolve());
    stream.write("", () => resolve());
  });
}

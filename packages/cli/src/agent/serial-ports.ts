import type {
  SnapshotState,
  SnapshotValue,
  VirtioActivation,
  VirtioDevice,
  VirtioQueue,
  VirtioSegment,
} from "@isomorph/interface";
import { HostPort } from "./port.ts";

const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n;
/** Control messages (VIRTIO 1.2, section 5.3.6.2). */
const DEVICE_READY = 0;
const DEVICE_ADD = 1;
const PORT_READY = 3;
const PORT_OPEN = 6;
const PORT_NAME = 7;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const MESSAGE_SIZE = 8;
/** Bytes taken out of one buffer of the guest at a time. */
const MAX_CHUNK = 1 << 16;
/** Control messages that wait for the guest at most: a driver that keeps asking and never listens gets no more. */
const MAX_WAITING = 64;

/**
 * A virtio console with named ports instead of a terminal (VIRTIO 1.2, section 5.3, VIRTIO_CONSOLE_F_MULTIPORT): in
 * Linux `/dev/vportNpM`, byte streams with flow control and an end of file both ways.
 *
 * Port 0, which would be a terminal, is never added.
 */
export class SerialPorts implements VirtioDevice {
  readonly bus = "virtio";
  readonly id: number = 3;
  readonly features: bigint = VIRTIO_CONSOLE_F_MULTIPORT;
  readonly queueSizes: readonly number[];
  readonly config: VirtioDevice["config"];
  /** The ports, in the order of their names. */
  readonly ports: readonly HostPort[];
  #activation: VirtioActivation | undefined;
  #waiting: Uint8Array[] = [];
  /** Ports whose end was told to the guest. */
  readonly #closed = new Set<HostPort>();

  constructor(names: readonly string[]) {
    this.ports = names.map((name, index) => {
      const number = index + 1;
      return new HostPort(name, {
        sending: () => this.#send(number),
        taking: () => this.#take(number),
      });
    });
    this.queueSizes = new Array<number>(2 * (names.length + 1) + 2).fill(64);
    const config = new DataView(new ArrayBuffer(12));
    config.setUint32(4, names.length + 1, true);
    this.config = {
      size: config.byteLength,
      read(offset, size) {
        if (size === 4) return config.getUint32(offset, true);
        return size === 2 ? config.getUint16(offset, true) : config.getUint8(offset);
      },
      write() {},
    };
  }

  activate(activation: VirtioActivation): void {
    this.#activation = activation;
  }

  notify(index: number): void {
    if (index === CONTROL_RECEIVE) this.#flushControl();
    else if (index === CONTROL_TRANSMIT) this.#takeControl();
    else if (index >= 4 && index % 2 === 0) this.#send((index - 2) / 2);
    else if (index >= 4) this.#take((index - 3) / 2);
  }

  reset(): void {
    this.#activation = undefined;
    this.#waiting = [];
    this.#closed.clear();
    for (const port of this.ports) port.setOpen(false);
  }

  save(): SnapshotState {
    return {
      version: 1,
      ports: this.ports.map((port) => ({ ...port.save(), endTold: this.#closed.has(port) })),
      waiting: this.#waiting.map((message) => message.slice()),
    };
  }

  restore(state: SnapshotState): void {
    if (state.version !== 1) {
      const message = `serial ports: version ${state.version} of a snapshot is unknown`;
      throw Object.assign(new Error(message), { code: "ERR_SNAPSHOT_VERSION" });
    }
    const ports = Array.isArray(state.ports) ? (state.ports as readonly SnapshotValue[]) : [];
    const waiting = Array.isArray(state.waiting) ? (state.waiting as readonly SnapshotValue[]) : [];
    this.#closed.clear();
    for (const [index, port] of this.ports.entries()) {
      const saved = ports[index];
      port.restore(saved);
      if ((saved as { endTold?: unknown } | undefined)?.endTold === true) this.#closed.add(port);
    }
    this.#waiting = waiting.flatMap((message) => (message instanceof Uint8Array ? [message.slice()] : []));
  }

  #queue(index: number): VirtioQueue | undefined {
    return this.#activation?.queues[index];
  }

  #takeControl(): void {
    const queue = this.#queue(CONTROL_TRANSMIT);
    for (let chain = queue?.pop(); chain !== undefined; chain = queue?.pop()) {
      const message = new Uint8Array(MESSAGE_SIZE);
      let length = 0;
      for (const { bytes } of chain.readable) {
        const part = bytes.subarray(0, MESSAGE_SIZE - length);
        message.set(part, length);
        length += part.length;
      }
      queue?.push(chain, 0);
      if (length === MESSAGE_SIZE) this.#control(new DataView(message.buffer));
    }
    queue?.notify();
  }

  #control(message: DataView): void {
    const number = message.getUint32(0, true);
    const event = message.getUint16(4, true);
    const value = message.getUint16(6, true);
    if (event === DEVICE_READY && value === 1) {
      for (let added = 1; added <= this.ports.length; added++) this.#tell(added, DEVICE_ADD, 1);
      return;
    }
    const port = this.ports[number - 1];
    if (port === undefined) return;
    if (event === PORT_READY && value === 1) {
      // Open comes first: who finds the port by its name can use it.
      this.#tell(number, PORT_OPEN, 1);
      this.#tell(number, PORT_NAME, 1, new TextEncoder().encode(port.name));
    } else if (event === PORT_OPEN) {
      if (value === 1 && this.#closed.delete(port)) this.#tell(number, PORT_OPEN, 1);
      port.setOpen(value === 1);
    }
  }

  #tell(number: number, event: number, value: number, rest: Uint8Array = new Uint8Array(0)): void {
    if (this.#waiting.length >= MAX_WAITING) return;
    const message = new Uint8Array(MESSAGE_SIZE + rest.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, number, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(rest, MESSAGE_SIZE);
    this.#waiting.push(message);
    this.#flushControl();
  }

  #flushControl(): void {
    const queue = this.#queue(CONTROL_RECEIVE);
    if (queue === undefined || this.#waiting.length === 0) return;
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      const chain = queue.pop();
      if (chain === undefined) break;
      queue.push(chain, fill(chain.writable, message));
      this.#waiting.shift();
    }
    queue.notify();
  }

  /** Host to guest. */
  #send(number: number): void {
    const port = this.ports[number - 1];
    const queue = this.#queue(2 * number + 2);
    if (port === undefined || queue === undefined || !port.isOpen) return;
    while (port.hasPending) {
      const chain = queue.pop();
      if (chain === undefined) break;
      let written = 0;
      for (const { bytes } of chain.writable) {
        if (!port.hasPending) break;
        written += port.read(bytes);
      }
      queue.push(chain, written);
    }
    queue.notify();
    if (port.isFinished && !this.#closed.has(port)) {
      this.#closed.add(port);
      this.#tell(number, PORT_OPEN, 0);
    }
    port.drained();
  }

  /** Guest to host. */
  #take(number: number): void {
    const port = this.ports[number - 1];
    const queue = this.#queue(2 * number + 3);
    if (port === undefined || queue === undefined) return;
    while (!port.isPaused) {
      const chain = queue.pop();
      if (chain === undefined) break;
      for (const { bytes } of chain.readable) {
        for (let at = 0; at < bytes.length; at += MAX_CHUNK) port.ondata?.(bytes.slice(at, at + MAX_CHUNK));
      }
      queue.push(chain, 0);
    }
    queue.notify();
  }
}

/** Copies what fits of `source` into the segments; returns how many bytes that is. */
function fill(segments: readonly VirtioSegment[], source: Uint8Array): number {
  let done = 0;
  for (const { bytes } of segments) {
    const part = source.subarray(done, done + bytes.length);
    bytes.set(part);
    done += part.length;
  }
  return done;
}

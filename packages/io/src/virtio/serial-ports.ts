import type {
  DeviceFactory,
  DeviceSlot,
  SnapshotState,
  VirtioActivation,
  VirtioChain,
  VirtioDevice,
  VirtioQueue,
  VirtioSegment,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { SerialPort } from "../host/serial-port.ts";
import { booleanField, bytesField, checkVersion, listField, stateField } from "../snapshot.ts";
import { readConfig } from "./config-bytes.ts";
import { MAX_AT_ONCE, MAX_CHAIN, MAX_CHUNK } from "./transmit-limits.ts";

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
/** Linux has as many ports of a device at most. */
const MAX_PORTS = 31;
const MAX_NAME = 255;
/** Control messages that wait for the guest at most: a driver that keeps asking and never listens gets no more. */
const MAX_WAITING = 64;

/** How {@link VirtioSerialPorts} are set up. */
export interface VirtioSerialPortsOptions {
  /** The ports' names, 1 to 31 of them, each of 1 to 255 bytes of UTF-8: Linux tells them in `/sys/class/virtio-ports`. */
  readonly names: readonly string[];
}

/**
 * A virtio console with named ports instead of a terminal (VIRTIO 1.2, section 5.3, VIRTIO_CONSOLE_F_MULTIPORT): in
 * Linux `/dev/vportNpM`, byte streams with flow control and an end of file both ways.
 *
 * Port 0, which would be a terminal, is never added. A port that is paused leaves the guest's bytes in their queue: the
 * guest waits. Without `ontransmit` they are dropped and counted, as is what a chain has beyond 1 MiB.
 */
export class VirtioSerialPorts implements VirtioDevice {
  readonly bus = "virtio";
  readonly id: number = 3;
  readonly features: bigint = VIRTIO_CONSOLE_F_MULTIPORT;
  readonly queueSizes: readonly number[];
  readonly config: VirtioDevice["config"];
  /** The ports, in the order of their names. */
  readonly ports: readonly SerialPort[];
  #activation: VirtioActivation | undefined;
  #waiting: Uint8Array[] = [];
  /** Ports whose end was told to the guest. */
  readonly #closed = new Set<SerialPort>();
  #transmitted = 0;
  #received = 0;
  #dropped = 0;
  #untold = 0;
  /** The timers of ports whose queues wait for the event loop's next turn. */
  readonly #postponed = new Map<number, ReturnType<typeof setTimeout>>();

  /** @throws RangeError when there are no names, or too many, or one is empty or too long. */
  constructor({ names }: VirtioSerialPortsOptions) {
    if (names.length < 1 || names.length > MAX_PORTS) {
      throw new RangeError(`virtioSerialPorts: ${names.length} names are not from 1 to ${MAX_PORTS}`);
    }
    for (const name of names) {
      const length = new TextEncoder().encode(name).length;
      if (length < 1 || length > MAX_NAME) {
        throw new RangeError(`virtioSerialPorts: the name "${name}" has not from 1 to ${MAX_NAME} bytes`);
      }
    }
    this.ports = names.map((name, index) => {
      const number = index + 1;
      return new SerialPort(name, {
        sending: () => this.#send(number),
        taking: () => this.#take(number),
      });
    });
    this.queueSizes = new Array<number>(2 * (names.length + 1) + 2).fill(64);
    const config = new DataView(new ArrayBuffer(12));
    config.setUint32(4, names.length + 1, true);
    this.config = {
      size: config.byteLength,
      read: (offset, size) => readConfig(config, offset, size),
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

  /** What waited for the guest is gone: each port is closed, and a program that opens it starts anew. */
  reset(): void {
    this.close();
    this.#activation = undefined;
    this.#waiting = [];
    this.#closed.clear();
    for (const port of this.ports) port.setOpen(false);
  }

  /** Takes back what is left for later turns of the event loop. Idempotent. */
  close(): void {
    for (const timer of this.#postponed.values()) clearTimeout(timer);
    this.#postponed.clear();
  }

  save(): SnapshotState {
    return {
      version: 1,
      ports: this.ports.map((port) => ({ port: port.save(), endTold: this.#closed.has(port) })),
      waiting: this.#waiting.map((message) => ({ message: message.slice() })),
    };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtioSerialPorts");
    const ports = listField(state, "ports", MAX_PORTS);
    if (ports.length !== this.ports.length) {
      throw new TypeError(`virtioSerialPorts: a snapshot of ${ports.length} ports, not ${this.ports.length}`);
    }
    const told = ports.map((saved) => booleanField(saved, "endTold"));
    const waiting = listField(state, "waiting", MAX_WAITING).map((entry) =>
      bytesField(entry, "message", MESSAGE_SIZE + MAX_NAME).slice(),
    );
    for (const [index, port] of this.ports.entries()) {
      port.restore(stateField(ports[index] as SnapshotState, "port"));
    }
    this.#closed.clear();
    for (const [index, port] of this.ports.entries()) if (told[index] === true) this.#closed.add(port);
    this.#waiting = waiting;
  }

  /**
   * `transmitted`, `received`: bytes, as the guest sees it; `dropped`: bytes transmitted that nobody took; `untold`:
   * control messages to a guest that does not listen.
   */
  counters(): Counters {
    return {
      transmitted: this.#transmitted,
      received: this.#received,
      dropped: this.#dropped,
      untold: this.#untold,
    };
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
    if (this.#waiting.length >= MAX_WAITING) {
      this.#untold++;
      return;
    }
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
      this.#received += written;
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
    if (port === undefined || queue === undefined || this.#postponed.has(number)) return;
    let taken = 0;
    while (!port.isPaused) {
      if (taken >= MAX_AT_ONCE) {
        const later = (): void => {
          this.#postponed.delete(number);
          this.#take(number);
        };
        this.#postponed.set(number, setTimeout(later, 0));
        break;
      }
      const chain = queue.pop();
      if (chain === undefined) break;
      taken += this.#handOver(chain, port);
      queue.push(chain, 0);
    }
    queue.notify();
  }

  /** Gives the host what is in a chain; returns how many bytes. */
  #handOver(chain: VirtioChain, port: SerialPort): number {
    const count = Math.min(chain.readableLength, MAX_CHAIN);
    this.#transmitted += count;
    this.#dropped += chain.readableLength - count;
    if (port.ontransmit === undefined) {
      this.#dropped += count;
      return count;
    }
    let left = count;
    for (let index = 0; left > 0; index++) {
      const { bytes } = chain.readable[index] as VirtioSegment;
      const end = Math.min(bytes.length, left);
      for (let at = 0; at < end; at += MAX_CHUNK)
        port.ontransmit?.(bytes.slice(at, Math.min(at + MAX_CHUNK, end)));
      left -= end;
    }
    return count;
  }
}

/** Configures {@link VirtioSerialPorts}. */
export function virtioSerialPorts(options: VirtioSerialPortsOptions): DeviceFactory<VirtioSerialPorts> {
  return (slot: DeviceSlot) => {
    const device = new VirtioSerialPorts(options);
    slot.defer(() => device.close());
    return device;
  };
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

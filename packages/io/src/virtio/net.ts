import type {
  DeviceFactory,
  DeviceSlot,
  NetPort,
  SnapshotState,
  VirtioActivation,
  VirtioChain,
  VirtioDevice,
  VirtioQueue,
  VirtioSegment,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { FrameQueue } from "../net/frame-queue.ts";
import { booleanField, checkVersion } from "../snapshot.ts";
import { readConfig } from "./config-bytes.ts";
import { gather, scatter } from "./segments.ts";

/** Feature bits (VIRTIO 1.2, section 5.1.3). */
export const VIRTIO_NET_F: {
  readonly MTU: bigint;
  readonly MAC: bigint;
  readonly MRG_RXBUF: bigint;
  readonly STATUS: bigint;
} = { MTU: 1n << 3n, MAC: 1n << 5n, MRG_RXBUF: 1n << 15n, STATUS: 1n << 16n };

/** Bytes of `struct virtio_net_hdr`, `num_buffers` included (section 5.1.6). */
export const NET_HEADER_SIZE = 12;
const RECEIVE = 0;
const TRANSMIT = 1;
const STATUS_LINK_UP = 1;
const ETHERNET_HEADER = 14;
/** A VLAN tag comes on top of the MTU. */
const VLAN_TAG = 4;

/** How a {@link VirtioNet} is set up. */
export interface VirtioNetOptions {
  /** The segment that the device is plugged into. The device takes over its `onframe`. */
  readonly port: NetPort;
  /** Hardware address: `"52:54:00:12:34:56"` or 6 bytes. A random, locally administered one by default. */
  readonly mac?: string | Uint8Array;
  /** Entries in each queue, a power of two from 16 to 1024; 256 by default. */
  readonly queueSize?: number;
  /** Bytes of frames that wait for the guest's receive buffers at most; 256 KiB by default. */
  readonly backlog?: number;
}

/**
 * The virtio network device (VIRTIO 1.2, section 5.1) on a {@link NetPort}: one queue pair, merged receive buffers,
 * no offloads.
 *
 * Frames for which the guest has no buffers wait up to the backlog's limit; further ones are dropped, as are all
 * while the driver is not ready or the link is down, frames longer than the MTU allows, and shorter than an Ethernet
 * header. Every drop is counted, by cause.
 */
export class VirtioNet implements VirtioDevice {
  readonly bus = "virtio";
  readonly id: number = 1;
  readonly features: bigint =
    VIRTIO_NET_F.MTU | VIRTIO_NET_F.MAC | VIRTIO_NET_F.MRG_RXBUF | VIRTIO_NET_F.STATUS;
  readonly queueSizes: readonly number[];
  readonly config: VirtioDevice["config"];
  /** The hardware address: 6 bytes. */
  readonly mac: Uint8Array;
  readonly #port: NetPort;
  readonly #maxFrame: number;
  readonly #backlog: FrameQueue;
  readonly #scratch: Uint8Array;
  readonly #header: Uint8Array = new Uint8Array(NET_HEADER_SIZE);
  readonly #data: DataView = new DataView(new ArrayBuffer(12));
  readonly #held: VirtioChain[] = [];
  #heldBytes = 0;
  #activation: VirtioActivation | undefined;
  #sent = 0;
  #received = 0;
  #sendDropped = 0;
  #receiveDropped = 0;
  #malformed = 0;

  constructor(options: VirtioNetOptions) {
    const { port, queueSize = 256 } = options;
    if (!Number.isInteger(port.mtu) || port.mtu < 68 || port.mtu > 65535) {
      throw new RangeError(`virtioNet: MTU ${port.mtu} is not from 68 to 65535`);
    }
    if (!(queueSize >= 16 && queueSize <= 1024) || (queueSize & (queueSize - 1)) !== 0) {
      throw new RangeError(`virtioNet: queue size ${queueSize} is not a power of two from 16 to 1024`);
    }
    this.#port = port;
    this.#maxFrame = port.mtu + ETHERNET_HEADER + VLAN_TAG;
    this.#scratch = new Uint8Array(this.#maxFrame);
    this.#backlog = new FrameQueue(options.backlog ?? 256 * 1024);
    this.queueSizes = [queueSize, queueSize];
    this.mac = macBytes(options.mac);
    new Uint8Array(this.#data.buffer).set(this.mac);
    this.#data.setUint16(6, STATUS_LINK_UP, true);
    this.#data.setUint16(8, 1, true);
    this.#data.setUint16(10, port.mtu, true);
    this.config = {
      size: 12,
      read: (offset, size) => readConfig(this.#data, offset, size),
      write: () => {},
    };
    port.onframe = (frame) => this.#onframe(frame);
  }

  /** Whether the cable is plugged in. */
  get link(): boolean {
    return (this.#data.getUint16(6, true) & STATUS_LINK_UP) !== 0;
  }

  set link(up: boolean) {
    if (up === this.link) return;
    this.#data.setUint16(6, up ? STATUS_LINK_UP : 0, true);
    if (((this.#activation?.features ?? 0n) & VIRTIO_NET_F.STATUS) !== 0n) this.#activation?.configChanged();
  }

  activate(activation: VirtioActivation): void {
    this.#activation = activation;
  }

  notify(index: number): void {
    if (index === TRANSMIT) this.#transmit();
    else if (index === RECEIVE) this.#receiveBacklog();
  }

  reset(): void {
    this.#activation = undefined;
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#receiveDropped += this.#backlog.clear();
  }

  /** Unplugs the device from its segment. */
  close(): void {
    this.#port.onframe = undefined;
  }

  /** Frames in the backlog are not part of the state: a network may drop them. */
  save(): SnapshotState {
    return { version: 1, link: this.link };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtioNet");
    this.#data.setUint16(6, booleanField(state, "link") ? STATUS_LINK_UP : 0, true);
  }

  /**
   * `sent`, `received`: frames; `sendDropped`: by the segment or with the link down; `receiveDropped`: no driver, no
   * link, no buffers or too long; `malformed`: chains of the driver that hold no frame or no room for a header.
   */
  counters(): Counters {
    return {
      sent: this.#sent,
      received: this.#received,
      sendDropped: this.#sendDropped,
      receiveDropped: this.#receiveDropped,
      malformed: this.#malformed,
    };
  }

  #transmit(): void {
    const queue = this.#activation?.queues[TRANSMIT];
    if (queue === undefined) return;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const length = chain.readableLength - NET_HEADER_SIZE;
      if (length < ETHERNET_HEADER || length > this.#maxFrame) this.#malformed++;
      else if (this.link && this.#port.send(this.#frame(chain.readable, length))) this.#sent++;
      else this.#sendDropped++;
      queue.push(chain, 0);
    }
    queue.notify();
  }

  /** The frame in a transmit chain: a window on guest memory when it is one buffer, or a copy. */
  #frame(segments: readonly VirtioSegment[], length: number): Uint8Array {
    const first = segments[0] as VirtioSegment;
    if (segments.length === 1) return first.bytes.subarray(NET_HEADER_SIZE);
    if (segments.length === 2 && first.bytes.length === NET_HEADER_SIZE)
      return (segments[1] as VirtioSegment).bytes;
    const frame = this.#scratch.subarray(0, length);
    gather(segments, NET_HEADER_SIZE, frame);
    return frame;
  }

  #onframe(frame: Uint8Array): boolean {
    const queue = this.#activation?.queues[RECEIVE];
    if (
      queue === undefined ||
      !this.link ||
      frame.length < ETHERNET_HEADER ||
      frame.length > this.#maxFrame
    ) {
      this.#receiveDropped++;
      return false;
    }
    if (this.#backlog.length === 0 && this.#receive(queue, frame)) {
      queue.notify();
      return true;
    }
    if (this.#backlog.push(frame)) return true;
    this.#receiveDropped++;
    return false;
  }

  #receiveBacklog(): void {
    const queue = this.#activation?.queues[RECEIVE];
    if (queue === undefined) return;
    for (let frame = this.#backlog.first; frame !== undefined; frame = this.#backlog.first) {
      if (!this.#receive(queue, frame)) break;
      this.#backlog.shift();
    }
    queue.notify();
  }

  /** Puts a frame into receive buffers; false when the driver has not made enough of them available. */
  #receive(queue: VirtioQueue, frame: Uint8Array): boolean {
    const needed = NET_HEADER_SIZE + frame.length;
    const merge = ((this.#activation?.features ?? 0n) & VIRTIO_NET_F.MRG_RXBUF) !== 0n;
    while (this.#heldBytes < needed) {
      const chain = queue.pop();
      if (chain === undefined) return false;
      // The header lies in one buffer, and a frame in one chain unless merging was agreed on.
      if (chain.writableLength < (merge ? NET_HEADER_SIZE : needed)) {
        this.#malformed++;
        queue.push(chain, 0);
        continue;
      }
      this.#held.push(chain);
      this.#heldBytes += chain.writableLength;
    }
    this.#header[10] = this.#held.length & 0xff;
    this.#header[11] = this.#held.length >>> 8;
    let at = 0;
    for (const [index, chain] of this.#held.entries()) {
      let offset = 0;
      if (index === 0) offset = scatter(chain.writable, 0, this.#header);
      const count = Math.min(chain.writableLength - offset, frame.length - at);
      scatter(chain.writable, offset, frame.subarray(at, at + count));
      at += count;
      queue.push(chain, offset + count);
    }
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#received++;
    return true;
  }
}

/** Configures a {@link VirtioNet}. */
export function virtioNet(options: VirtioNetOptions): DeviceFactory<VirtioNet> {
  return (slot: DeviceSlot) => {
    const device = new VirtioNet(options);
    slot.defer(() => device.close());
    return device;
  };
}

function macBytes(mac: string | Uint8Array | undefined): Uint8Array {
  if (mac === undefined) {
    const bytes = crypto.getRandomValues(new Uint8Array(6));
    // Locally administered, and not a group address.
    bytes[0] = ((bytes[0] as number) & 0xfc) | 0x02;
    return bytes;
  }
  const bytes =
    typeof mac === "string"
      ? /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)
        ? Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16))
        : undefined
      : mac.slice();
  if (bytes === undefined || bytes.length !== 6 || ((bytes[0] as number) & 1) !== 0) {
    throw new TypeError(`virtioNet: ${String(mac)} is not a unicast hardware address`);
  }
  return bytes;
}

import type { SnapshotState, SnapshotValue } from "@isomorph/interface";

/** Bytes for the guest that may wait in a port before {@link HostPort.write} asks to wait. */
const HIGH_WATER = 1 << 16;

/** What a port needs of its device. */
export interface PortDevice {
  /** The port has bytes for the guest, or reached its end. */
  sending(): void;
  /** The port takes bytes from the guest again. */
  taking(): void;
}

/** The host's end of one port: a byte stream in each direction, with an end that the guest's programs see. */
export class HostPort {
  readonly name: string;
  /** Takes what the guest writes. The array is the callee's to keep. */
  ondata: ((bytes: Uint8Array) => void) | undefined;
  /** There is room again after a {@link write} that gave false. */
  ondrain: (() => void) | undefined;
  /** The guest has opened the port. What was written before, it gets now. */
  onopen: (() => void) | undefined;
  /** The guest has closed the port, or the machine was reset. */
  onclose: (() => void) | undefined;
  /** Whether a program of the guest has the port open. */
  isOpen = false;
  readonly #device: PortDevice;
  #pending: Uint8Array[] = [];
  #length = 0;
  #ended = false;
  #paused = false;
  #wantsDrain = false;

  constructor(name: string, device: PortDevice) {
    this.name = name;
    this.#device = device;
  }

  /**
   * Gives bytes to the guest; they belong to the port from now on. Returns whether to go on: after false, wait for
   * {@link ondrain}. After {@link end}, and while the guest has not the port open, bytes are dropped.
   */
  write(bytes: Uint8Array): boolean {
    if (!this.isOpen || this.#ended || bytes.length === 0) return true;
    this.#pending.push(bytes);
    this.#length += bytes.length;
    this.#device.sending();
    this.#wantsDrain = this.#length > HIGH_WATER;
    return !this.#wantsDrain;
  }

  /** The guest's programs read the end of file after what was written so far. */
  end(): void {
    if (this.#ended || !this.isOpen) return;
    this.#ended = true;
    this.#device.sending();
  }

  /** Leaves what the guest writes in its queue, so that its programs wait. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#device.taking();
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Whether bytes wait for the guest. */
  get hasPending(): boolean {
    return this.#length > 0;
  }

  /** Everything was sent, and the end is to follow. */
  get isFinished(): boolean {
    return this.#ended && this.#length === 0;
  }

  /** Moves waiting bytes into `target`; returns how many. For the device. */
  read(target: Uint8Array): number {
    let count = 0;
    while (count < target.length) {
      const first = this.#pending[0];
      if (first === undefined) break;
      const part = first.subarray(0, target.length - count);
      target.set(part, count);
      count += part.length;
      if (part.length === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(part.length);
    }
    this.#length -= count;
    return count;
  }

  /** Tells the writer of room made by {@link read}. For the device. */
  drained(): void {
    if (!this.#wantsDrain || this.#length > HIGH_WATER / 2) return;
    this.#wantsDrain = false;
    this.ondrain?.();
  }

  /** The port's state as plain data: whether it is open and ended, and what waits for the guest. */
  save(): SnapshotState {
    return {
      version: 1,
      isOpen: this.isOpen,
      ended: this.#ended,
      input: joined(this.#pending, this.#length),
    };
  }

  /** Takes over a state of {@link save}; calls nobody. */
  restore(state: SnapshotValue | undefined): void {
    const { isOpen, ended, input } = (state ?? {}) as Record<string, SnapshotValue>;
    this.isOpen = isOpen === true;
    this.#ended = ended === true;
    this.#pending = input instanceof Uint8Array && input.length > 0 ? [input.slice()] : [];
    this.#length = this.#pending[0]?.length ?? 0;
  }

  /** The guest opened or closed the port. For the device. */
  setOpen(isOpen: boolean): void {
    if (isOpen === this.isOpen) return;
    this.isOpen = isOpen;
    this.#pending = [];
    this.#length = 0;
    this.#ended = false;
    if (isOpen) this.onopen?.();
    else {
      this.onclose?.();
      this.drained();
    }
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

import type { SnapshotState } from "@isomorph/interface";
import { booleanField, bytesField, checkVersion } from "../snapshot.ts";
import type { BytePort } from "./byte-port.ts";

/** Bytes for the guest that may wait in a port before {@link SerialPort.write} asks to wait. */
const HIGH_WATER = 1 << 16;

/** What a port needs of its device. */
export interface SerialPortDevice {
  /** The port has bytes for the guest, or reached its end. */
  sending(): void;
  /** The port takes bytes from the guest again. */
  taking(): void;
}

/**
 * The host's end of a port that programs of the guest open and close: a byte stream in each direction, with an end that
 * they see. What lies beyond an end belongs to the next opening, so that nothing is kept from one to the other; a
 * serial line, which is always there, has a {@link BytePort}.
 */
export class SerialPort {
  readonly name: string;
  /** Takes what the guest writes; without it that is dropped. The array is the callee's to keep. */
  ontransmit: ((bytes: Uint8Array) => void) | undefined;
  /** There is room again after a {@link write} that gave false. */
  ondrain: (() => void) | undefined;
  /** The guest has opened the port. What was written before, it gets now. */
  onopen: (() => void) | undefined;
  /** The guest has closed the port, or the machine was reset. */
  onclose: (() => void) | undefined;
  /** Whether a program of the guest has the port open. */
  isOpen = false;
  readonly #device: SerialPortDevice;
  #pending: Uint8Array[] = [];
  #length = 0;
  #ended = false;
  #paused = false;
  #wantsDrain = false;

  constructor(name: string, device: SerialPortDevice) {
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

  /** Ends a {@link pause}. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#device.taking();
  }

  /** Whether the host leaves what the guest writes where it is. */
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

  /**
   * Takes over a state of {@link save}; calls nobody.
   *
   * @throws Error or TypeError when it is none.
   */
  restore(state: SnapshotState): void {
    checkVersion(state, 1, "serialPort");
    const isOpen = booleanField(state, "isOpen");
    const ended = booleanField(state, "ended");
    const input = bytesField(state, "input", Number.MAX_SAFE_INTEGER);
    this.isOpen = isOpen;
    this.#ended = ended;
    this.#pending = input.length > 0 ? [input.slice()] : [];
    this.#length = input.length;
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

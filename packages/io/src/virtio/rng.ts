import type {
  DeviceFactory,
  DeviceSlot,
  SnapshotState,
  VirtioActivation,
  VirtioDevice,
  VirtioSegment,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { checkVersion } from "../snapshot.ts";

/** Bytes given for one request at most; a driver that wants more asks again. */
const MAX_REQUEST = 4096;

/** How a {@link VirtioRng} is set up. */
export interface VirtioRngOptions {
  /** Fills the array, which has up to 4096 bytes, with entropy. `crypto.getRandomValues` by default. */
  readonly source?: (target: Uint8Array<ArrayBuffer>) => void;
}

/** The virtio entropy device (VIRTIO 1.2, section 5.4). */
export class VirtioRng implements VirtioDevice {
  readonly bus = "virtio";
  readonly id: number = 4;
  readonly features: bigint = 0n;
  readonly queueSizes: readonly number[] = [64];
  readonly config: VirtioDevice["config"] = { size: 0, read: () => 0, write: () => {} };
  readonly #source: (target: Uint8Array<ArrayBuffer>) => void;
  readonly #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(MAX_REQUEST);
  #activation: VirtioActivation | undefined;
  #requests = 0;
  #bytes = 0;

  constructor(options: VirtioRngOptions = {}) {
    this.#source = options.source ?? ((target) => void crypto.getRandomValues(target));
  }

  activate(activation: VirtioActivation): void {
    this.#activation = activation;
  }

  notify(index: number): void {
    const queue = this.#activation?.queues[index];
    if (queue === undefined) return;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      this.#requests++;
      queue.push(chain, this.#fill(chain.writable));
    }
    queue.notify();
  }

  reset(): void {
    this.#activation = undefined;
  }

  save(): SnapshotState {
    return { version: 1 };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtioRng");
  }

  /** `requests`: buffers filled; `bytes`: of entropy given. */
  counters(): Counters {
    return { requests: this.#requests, bytes: this.#bytes };
  }

  #fill(segments: readonly VirtioSegment[]): number {
    let written = 0;
    for (let index = 0; index < segments.length && written < MAX_REQUEST; index++) {
      const { bytes } = segments[index] as VirtioSegment;
      const count = Math.min(bytes.length, MAX_REQUEST - written);
      // Guest memory may be shared, which getRandomValues refuses: entropy goes through a buffer of our own.
      const fresh = this.#buffer.subarray(0, count);
      this.#source(fresh);
      bytes.set(fresh);
      written += count;
    }
    this.#buffer.fill(0);
    this.#bytes += written;
    return written;
  }
}

/** Configures a {@link VirtioRng}. */
export function virtioRng(options: VirtioRngOptions = {}): DeviceFactory<VirtioRng> {
  return (_slot: DeviceSlot) => new VirtioRng(options);
}

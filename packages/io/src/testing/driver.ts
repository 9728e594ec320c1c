import type { GuestMemory } from "@isomorph/interface";
import { STATUS, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1 } from "../virtio/constants.ts";
import { DriverQueue } from "./driver-queue.ts";
import type { DriverTransport } from "./driver-transport.ts";

/** What a {@link Driver} wants of its device. */
export interface DriverOptions {
  readonly memory: GuestMemory;
  /** GPA, aligned to 4096, from which the queues are placed. */
  readonly queues: number;
  /** Features that the driver knows; all that are offered by default. VERSION_1 is always among them. */
  readonly features?: bigint;
  /** Entries in each queue; as large as offered by default. */
  readonly queueSize?: number;
}

/** A driver that has initialised its device. */
export interface Driver {
  readonly transport: DriverTransport;
  /** Features agreed on. */
  readonly features: bigint;
  readonly queues: readonly DriverQueue[];
  /** GPA of the first byte after the queues, aligned to 4096. */
  readonly end: number;
  /** Notifies the device if it wants that. Returns whether it did. */
  kick(index: number): boolean;
}

/**
 * Initialises a device as VIRTIO 1.2, section 3.1.1, says.
 *
 * @throws Error when the device refuses the features.
 */
export function startDriver(transport: DriverTransport, options: DriverOptions): Driver {
  transport.writeStatus(0);
  if (transport.readStatus() !== 0) throw new Error("the device does not reset");
  transport.writeStatus(STATUS.ACKNOWLEDGE);
  transport.writeStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
  const offered = transport.readFeatures();
  const features = (offered & (options.features ?? offered)) | VIRTIO_F_VERSION_1;
  transport.writeFeatures(features);
  const agreed = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK;
  transport.writeStatus(agreed);
  if ((transport.readStatus() & STATUS.FEATURES_OK) === 0) throw new Error("the device refuses the features");
  const queues: DriverQueue[] = [];
  let gpa = options.queues;
  for (let index = 0; ; index++) {
    const most = transport.maxQueueSize(index);
    if (most === 0) break;
    const size = Math.min(most, options.queueSize ?? most);
    const queue = new DriverQueue({
      memory: options.memory,
      size,
      gpa,
      eventIndex: (features & VIRTIO_F_EVENT_IDX) !== 0n,
    });
    transport.enableQueue(index, size, queue.descriptors, queue.available, queue.used);
    gpa = Math.ceil((gpa + DriverQueue.bytesFor(size)) / 4096) * 4096;
    queues.push(queue);
  }
  transport.writeStatus(agreed | STATUS.DRIVER_OK);
  return {
    transport,
    features,
    queues,
    end: gpa,
    kick(index) {
      const wanted = queues[index]?.needsNotification() ?? false;
      if (wanted) transport.notify(index);
      return wanted;
    },
  };
}

/** Device status bits (VIRTIO 1.2, section 2.1). */
export const STATUS: {
  readonly ACKNOWLEDGE: 1;
  readonly DRIVER: 2;
  readonly DRIVER_OK: 4;
  readonly FEATURES_OK: 8;
  readonly DEVICE_NEEDS_RESET: 64;
  readonly FAILED: 128;
} = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, DEVICE_NEEDS_RESET: 64, FAILED: 128 };

/** Reserved feature bits that the transport offers (VIRTIO 1.2, section 6). */
export const VIRTIO_F_INDIRECT_DESC: bigint = 1n << 28n;
export const VIRTIO_F_EVENT_IDX: bigint = 1n << 29n;
export const VIRTIO_F_VERSION_1: bigint = 1n << 32n;

/** Interrupt causes, as bits of the ISR status (VIRTIO 1.2, sections 4.1.4.5 and 4.2.2). */
export const ISR_QUEUE = 1;
export const ISR_CONFIG = 2;

/** Descriptor flags (VIRTIO 1.2, section 2.7.5). */
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;
/** In `flags` of the available ring (section 2.7.6). */
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
/** In `flags` of the used ring (section 2.7.8). */
export const VIRTQ_USED_F_NO_NOTIFY = 1;

/** Largest queue size (VIRTIO 1.2, section 2.7). */
export const MAX_QUEUE_SIZE = 32768;

/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/mmio`.
 *
 * @packageDocumentation
 */
export {};

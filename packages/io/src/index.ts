/**
 * Buses, interrupt controllers and devices, virtio among them.
 *
 * @packageDocumentation
 */
export {};

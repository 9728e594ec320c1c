/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/net`.
 *
 * @packageDocumentation
 */
export {};

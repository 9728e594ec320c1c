/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/blk`.
 *
 * @packageDocumentation
 */
export {};

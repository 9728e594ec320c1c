/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/rng`.
 *
 * @packageDocumentation
 */
export {};

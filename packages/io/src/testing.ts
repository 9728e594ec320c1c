/**
 * Buses, interrupt controllers and devices, virtio among them: `testing`.
 *
 * @packageDocumentation
 */
export {};

/**
 * Buses, interrupt controllers and devices, virtio among them: `bus`.
 *
 * @packageDocumentation
 */
export {};

/**
 * Buses, interrupt controllers and devices, virtio among them: `syscon`.
 *
 * @packageDocumentation
 */
export {};

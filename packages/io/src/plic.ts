/**
 * Buses, interrupt controllers and devices, virtio among them: `plic`.
 *
 * @packageDocumentation
 */
export {};

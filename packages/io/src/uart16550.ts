/**
 * Buses, interrupt controllers and devices, virtio among them: `uart16550`.
 *
 * @packageDocumentation
 */
export {};

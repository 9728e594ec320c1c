/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/pci`.
 *
 * @packageDocumentation
 */
export {};

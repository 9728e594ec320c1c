/**
 * Buses, interrupt controllers and devices, virtio among them: `aclint`.
 *
 * @packageDocumentation
 */
export {};

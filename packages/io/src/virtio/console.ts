/**
 * Buses, interrupt controllers and devices, virtio among them: `virtio/console`.
 *
 * @packageDocumentation
 */
export {};

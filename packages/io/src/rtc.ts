/**
 * Buses, interrupt controllers and devices, virtio among them: `rtc`.
 *
 * @packageDocumentation
 */
export {};

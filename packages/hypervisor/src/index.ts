/**
 * Virtual machines: harts, memory, devices and firmware.
 *
 * @packageDocumentation
 */
export {};

/**
 * Block devices: memory, files, copy-on-write overlays.
 *
 * @packageDocumentation
 */
export {};

/**
 * Block devices: memory, files, copy-on-write overlays: `overlay`.
 *
 * @packageDocumentation
 */
export {};

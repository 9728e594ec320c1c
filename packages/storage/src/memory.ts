/**
 * Block devices: memory, files, copy-on-write overlays: `memory`.
 *
 * @packageDocumentation
 */
export {};

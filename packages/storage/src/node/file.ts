/**
 * Block devices: memory, files, copy-on-write overlays: `node/file`.
 *
 * @packageDocumentation
 */
export {};

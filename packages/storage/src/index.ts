/**
 * Block devices that run anywhere: in memory, read-only views, copy-on-write overlays. Files are in `./node/file`.
 *
 * @packageDocumentation
 */
export { type HttpDisk, type HttpDiskOptions, type HttpDiskStats, httpDisk } from "./http.ts";
export { type MemoryDisk, type MemoryDiskOptions, type MemoryDiskStats, memoryDisk } from "./memory.ts";
export { type Overlay, type OverlayOptions, type OverlayStats, overlay } from "./overlay.ts";
export { type ReadOnlyViewOptions, readOnlyView } from "./read-only.ts";

/**
 * Disks for tests: one that records, one that fails as planned, and the states a medium may be in after a loss of
 * power.
 *
 * @packageDocumentation
 */
export { crashImage } from "./testing/crash-image.ts";
export { type DiskCall, type Fault, faultyDisk } from "./testing/faulty-disk.ts";
export { type DiskEvent, type RecordingDisk, recordingDisk } from "./testing/recording-disk.ts";

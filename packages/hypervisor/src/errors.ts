/** Which image an error is about. */
export type ImageKind = "KERNEL" | "FIRMWARE" | "INITRD";

/** What can be wrong with an image. */
export type ImageFault = "EMPTY" | "TRUNCATED" | "FORMAT" | "ARCHITECTURE" | "COMPRESSED" | "TOO_LARGE";

/**
 * Stable codes of what this package throws when neither the guest nor the embedder's types are at fault:
 * - `ERR_KERNEL_…`, `ERR_FIRMWARE_…`, `ERR_INITRD_…`: the image is empty, cut short, of a format or architecture that
 *   this machine does not run, badly compressed, or does not fit into guest memory;
 * - `ERR_DEVICETREE_TOO_LARGE`: guest memory cannot hold the device tree;
 * - `ERR_SYMBOLS_FORMAT`: a file of symbols is of no known format, for another processor, or damaged;
 * - `ERR_VM_CLOSED`, `ERR_VM_RUNNING`, `ERR_VM_PROFILING`: a call came after `close()`, while a `run()` is under way,
 *   while a profiler is at work;
 * - `ERR_VM_THREAD`: a hart's thread could not be started, or has ended; `cause` says why. The machine is dead;
 * - `ERR_THREADS_UNSUPPORTED`: the host has no memory that threads can share;
 * - `ERR_VM_CLEANUP`: a device's cleanup failed; `cause` is what it threw.
 */
export type VmErrorCode =
  | `ERR_${ImageKind}_${ImageFault}`
  | "ERR_DEVICETREE_TOO_LARGE"
  | "ERR_SYMBOLS_FORMAT"
  | "ERR_VM_CLOSED"
  | "ERR_VM_RUNNING"
  | "ERR_VM_PROFILING"
  | "ERR_VM_THREAD"
  | "ERR_THREADS_UNSUPPORTED"
  | "ERR_VM_CLEANUP";

/** A failure to set up or drive a machine. Tell them apart by {@link code}, not by class. */
export class VmError extends Error {
  override readonly name: string = "VmError";
  readonly code: VmErrorCode;

  constructor(code: VmErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const imageNames = { KERNEL: "kernel", FIRMWARE: "firmware", INITRD: "initrd" } as const;

/** An error about an image: `the kernel is empty (0 bytes)`. `text` goes on after "the kernel". */
export function imageError(
  kind: ImageKind,
  fault: ImageFault,
  text: string,
  options?: ErrorOptions,
): VmError {
  return new VmError(`ERR_${kind}_${fault}`, `the ${imageNames[kind]} ${text}`, options);
}

/** Bytes for a message: exact, with a rounded figure in a larger unit where that helps. */
export function bytesForMessage(bytes: number): string {
  if (bytes < 1 << 20) return `${bytes} bytes`;
  return `${bytes} bytes (${(bytes / (1 << 20)).toFixed(1)} MiB)`;
}

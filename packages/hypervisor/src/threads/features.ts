import { VmError } from "../errors.ts";

/** Throws unless threads can share memory here. */
export function requireSharedMemory(): void {
  const host = globalThis as { crossOriginIsolated?: boolean };
  if (typeof SharedArrayBuffer === "undefined" || host.crossOriginIsolated === false) {
    throw new VmError(
      "ERR_THREADS_UNSUPPORTED",
      "threads need shared memory: the page must be cross-origin isolated " +
        "(Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp)",
    );
  }
  if (typeof (Atomics as { waitAsync?: unknown }).waitAsync !== "function") {
    throw new VmError("ERR_THREADS_UNSUPPORTED", "threads need Atomics.waitAsync, which this engine lacks");
  }
}

/** What the worker with the machine asks its bridge for, and tells it. */
export const paths = {
  worker: "/worker.js",
  kernel: "/kernel",
  initrd: "/initrd",
  /** A {@link MachineRequest}. */
  machine: "/machine",
  /** Bytes for the guest's console, as long as the machine runs. */
  input: "/input",
  /** Takes what the guest's console says. */
  output: "/output",
  /** Takes how the machine came to its end. */
  ended: "/ended",
  /** Takes why there is no machine any more. */
  failed: "/failed",
} as const;

/** The machine that the worker is to run. */
export interface MachineRequest {
  /** Bytes of RAM. */
  readonly memory: number;
  readonly cmdline: string;
}

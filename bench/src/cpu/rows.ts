/** A row of the peer table. */
export interface Row {
  /** As in `--row NAME`, and as the guest's init knows it. */
  readonly name: string;
  readonly title: string;
  /** The same for everyone: what the guest is told to do. The boot row has no amount. */
  readonly work: number;
  /** `work` divided by this is in `unit`. */
  readonly scale: number;
  /** What is done, for a rate; for rows that tell a time, what takes it. */
  readonly unit: string;
  /** Told as seconds for one rather than as how many in a second. */
  readonly inverse?: boolean;
  /** The compiler fuses multiplications with additions where it can: other architectures round otherwise. */
  readonly fuses?: boolean;
}

/** Name of the row that has a machine of its own and ends with init's start. */
export const BOOT_ROW = "boot";

/**
 * The sixteen rows. Their work keeps QEMU 7.2 busy for three to four seconds each on the machine where the peers were
 * measured first, but where a benchmark has a rule of its own: CoreMark is valid from ten seconds on, Dhrystone from two.
 */
export const rows: readonly Row[] = [
  { name: "coremark", title: "CoreMark", work: 80000, scale: 1, unit: "iter" },
  { name: "dhrystone", title: "Dhrystone", work: 20000, scale: 1, unit: "k" },
  { name: "memcpy", title: "memcpy", work: 6400, scale: 1, unit: "MiB" },
  { name: "triad", title: "triad", work: 3300, scale: 1, unit: "MiB" },
  { name: "double", title: "double arithmetic", work: 36000, scale: 1000, unit: "M steps", fuses: true },
  { name: "pointer-chase", title: "pointer chase", work: 10000, scale: 1000, unit: "M loads" },
  { name: "system-call", title: "system call", work: 3000, scale: 1, unit: "k" },
  { name: "pipe", title: "pipe round trip", work: 18000, scale: 1000, unit: "k" },
  { name: "page-fault", title: "page fault", work: 90, scale: 1, unit: "k" },
  { name: "fork-exec", title: "fork+exec", work: 420, scale: 1, unit: "" },
  { name: "sha256-libcrypto", title: "sha256 (libcrypto)", work: 140, scale: 1, unit: "MiB" },
  { name: "sha256-busybox", title: "sha256 (busybox)", work: 64, scale: 1, unit: "MiB" },
  { name: "gzip", title: "gzip", work: 16000, scale: 1, unit: "KiB" },
  { name: "python-start", title: "python start", work: 5, scale: 1, unit: "start", inverse: true },
  { name: "python-loop", title: "python loop", work: 130, scale: 1, unit: "passes" },
  { name: BOOT_ROW, title: "boot to init", work: 1, scale: 1, unit: "boot", inverse: true },
];

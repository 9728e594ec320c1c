/** The parts of a build, in the order in which they happen; a warm start has only `check`. */
export type GuestStep =
  | "check"
  | "wait"
  | "index"
  | "resolve"
  | "download"
  | "unpack"
  | "configure"
  | "initrd"
  | "root"
  | "checksum";

/** Where a build stands. */
export interface GuestProgress {
  readonly step: GuestStep;
  /** One line for a person to read. */
  readonly message: string;
  /** How much of the step is done, in `unit`; absent where that can't be told. */
  readonly done?: number;
  readonly total?: number;
  readonly unit?: "bytes" | "percent" | "packages";
}

/** Takes each {@link GuestProgress} as it happens. */
export type OnGuestProgress = (progress: GuestProgress) => void;

import type { DiskSpec } from "../command/values.ts";
import type { ConsoleDevice } from "../machine/session.ts";
import type { SightOptions } from "../sight/sight.ts";

/** The options of `isomorph run`, as they were parsed. */
export interface RunCommandOptions extends SightOptions {
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly firmware?: string | undefined;
  readonly append?: string | undefined;
  readonly disk: readonly DiskSpec[];
  readonly memory: number;
  readonly harts: number;
  readonly threads?: boolean | undefined;
  readonly transport: "pci" | "mmio";
  readonly clock: "host" | "instructions";
  readonly rngSeed?: Uint8Array | undefined;
  readonly net: "none" | "loopback-hub";
  readonly console: ConsoleDevice;
  readonly escape: number | undefined;
  readonly exec?: string | undefined;
  /** False with `--no-tty`. */
  readonly tty: boolean;
  /** False with `--no-reboot`. */
  readonly reboot: boolean;
  readonly demo?: boolean | undefined;
  readonly htif?: boolean | undefined;
  readonly signature?: string | undefined;
  readonly signatureGranularity: 1 | 2 | 4 | 8 | 16;
  readonly translateAfter?: number | undefined;
  readonly translations?: string | undefined;
  readonly timeout?: number | undefined;
  readonly verbose?: boolean | undefined;
  readonly stats?: boolean | undefined;
}

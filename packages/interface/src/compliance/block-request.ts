import type { BlockBackend } from "../block.ts";
import type { MaybePromise } from "../maybe-promise.ts";

/** The disk that a case asks for. */
export interface BlockBackendRequest {
  /** Bytes: a multiple of 64 KiB. */
  readonly size: number;
  /** Whether the disk is to be read-only. */
  readonly readOnly: boolean;
}

/** What a case needs to know about the implementation. */
export interface BlockBackendCaseOptions {
  /** Largest disk that `open` can make; cases that need more are left out. Default: no limit. */
  readonly maxSize?: number;
  /** False when the implementation has no read-only disks: those cases are left out. Default true. */
  readonly canBeReadOnly?: boolean;
  /** Opens a disk of the implementation again after its close. Without it the medium is taken to be volatile. */
  readonly reopen?: (closed: BlockBackend) => MaybePromise<BlockBackend>;
}

/** Makes a new disk for one case. What it holds does not matter; the case closes it. */
export type OpenBlockBackend = (request: BlockBackendRequest) => MaybePromise<BlockBackend>;

/** A value that a snapshot can hold: plain data, by name, never by position. */
export type SnapshotValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SnapshotValue[]
  | { readonly [name: string]: SnapshotValue };

/** The state of one part, with the version of its shape. */
export interface SnapshotState {
  readonly version: number;
  readonly [name: string]: SnapshotValue;
}

/** A part of a machine whose state can be taken and put back between two calls of `run`. */
export interface Snapshottable {
  /** The complete state, detached: later changes to the part do not reach it. */
  save(): SnapshotState;
  /** Takes over `state`. Throws an Error with code `ERR_SNAPSHOT_VERSION` on a version it does not know. */
  restore(state: SnapshotState): void;
}

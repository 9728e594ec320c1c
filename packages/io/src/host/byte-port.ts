/**
 * The host's end of a serial line or console: bytes both ways, by call or by Web Stream.
 *
 * From host to guest, `write` takes what it has room for. From guest to host, bytes go to `ontransmit` when it is
 * set, and else to `readable` when someone has asked for it; with neither they are dropped.
 */
export interface BytePort {
  /** Gives bytes to the guest. Returns how many were taken: fewer than given when the guest reads too slowly. */
  write(bytes: Uint8Array): number;
  /** Called when there is room again after a `write` that took fewer bytes than given. */
  ondrain: (() => void) | undefined;
  /** Takes what the guest sends, many bytes a call. The array is the callee's to keep. */
  ontransmit: ((bytes: Uint8Array) => void) | undefined;
  /** Hands over now what would be handed over at the end of the current task. */
  flush(): void;
  /** What the guest sends. Made when first asked for; it ends with {@link BytePort.close}. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Bytes for the guest, with backpressure. Made when first asked for. */
  readonly writable: WritableStream<Uint8Array>;
  /** Ends `readable`. Idempotent. */
  close(): void;
}

/**
 * A socket on an Ethernet segment. Frames carry no preamble and no frame check sequence.
 *
 * Frames are borrowed: `send` may not keep the array after it returns, nor may `onframe`. Either side may drop a
 * frame; neither throws.
 */
export interface NetPort {
  /** Largest payload in bytes, the 14 bytes of Ethernet header not counted. */
  readonly mtu: number;
  /** Sends one frame to the segment. Returns false when it was dropped. */
  send(frame: Uint8Array): boolean;
  /** Called for each frame from the segment. Returns false when the receiver had no room and dropped it. */
  onframe: ((frame: Uint8Array) => boolean) | undefined;
}

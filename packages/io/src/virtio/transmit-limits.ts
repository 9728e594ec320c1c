/** What consoles and serial ports take from a driver's transmit queue before others get a turn. */

/** Bytes handed to the host at a time at most. */
export const MAX_CHUNK = 65_536;
/** Bytes of one chain that are taken, far above what drivers put into one. */
export const MAX_CHAIN: number = 1 << 20;
/** Bytes taken at once; what is left of the queue waits for the event loop's next turn. */
export const MAX_AT_ONCE: number = 16 << 20;

/**
 * A value that is there already or will be. Consumers await only when it is a promise: a synchronous
 * disk then completes inside the run loop, without a turn of the event loop.
 */
export type MaybePromise<T> = T | Promise<T>;

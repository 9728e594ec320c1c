/**
 * Threads for harts in browsers.
 *
 * @packageDocumentation
 */
export { webThreads } from "./threads.ts";

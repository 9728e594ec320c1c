/**
 * Threads for harts in Node.
 *
 * @packageDocumentation
 */
export { nodeThreads } from "./threads.ts";

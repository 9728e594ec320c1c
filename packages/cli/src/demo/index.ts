/**
 * The guest that is built in: needs nothing from outside, runs in Node and in browsers.
 *
 * @packageDocumentation
 */
export { DEMO_LAST_WORDS, demoDisk, demoKernel, demoStarts } from "./program.ts";

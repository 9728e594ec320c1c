/**
 * Harts in threads of their own: what such a thread runs.
 *
 * @packageDocumentation
 */
export { type CallRoutines, ringDoorbell } from "./threads/calls.ts";
export type { HartChannel } from "./threads/channel.ts";
export { HartThread } from "./threads/hart-thread.ts";
export { Activity, Control, Mail, Mailbox } from "./threads/layout.ts";
export type { ProcessorThreads } from "./threads/processor-threads.ts";
export type { ProcessorShare, SharedTranslations } from "./threads/share.ts";

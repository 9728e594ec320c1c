/**
 * What the page and the worker with the machine say to each other.
 *
 * One worker has one machine: `boot` comes first and once, `ended` or `failed` comes last and once.
 */

/** What the machine boots. Addresses are absolute URLs. */
export type GuestImages =
  | { readonly kind: "demo" }
  | {
      readonly kind: "linux";
      readonly kernel: string;
      readonly initrd: string;
      /** A raw disk image, read by ranges and never written: changes are kept in memory. */
      readonly disk?: string;
      readonly cmdline: string;
    };

/** The terminal's size in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** From the page to the worker. */
export type PageMessage =
  | {
      readonly type: "boot";
      readonly images: GuestImages;
      readonly memory: number;
      /** More than one run in threads of their own. */
      readonly harts: number;
      readonly size: TerminalSize;
    }
  | { readonly type: "input"; readonly bytes: Uint8Array }
  /** The terminal has shown so many bytes of output. */
  | { readonly type: "shown"; readonly length: number }
  | { readonly type: "resize"; readonly size: TerminalSize }
  | { readonly type: "reset" }
  | { readonly type: "stop" };

/** An error that crossed from the worker to the page. */
export interface Failure {
  readonly message: string;
  /** The stable code of the error, where it has one. */
  readonly code?: string;
}

/** How the machine came to its end. */
export interface Ending {
  readonly reason: "power-off" | "stopped" | "crashed";
  /** For people: what happened. */
  readonly detail: string;
}

/** From the worker to the page. */
export type WorkerMessage =
  /** Bytes of one image so far; `total` is 0 where the server does not say. */
  | { readonly type: "progress"; readonly image: string; readonly loaded: number; readonly total: number }
  | { readonly type: "running" }
  | { readonly type: "output"; readonly bytes: Uint8Array }
  /** Instructions retired since the start, after so many milliseconds of running. */
  | { readonly type: "speed"; readonly instructions: number; readonly milliseconds: number }
  | { readonly type: "ended"; readonly ending: Ending }
  | { readonly type: "failed"; readonly failure: Failure };

import type { Hart } from "@isomorph/cpu";
import type { GuestMemory } from "@isomorph/interface";
import type { HartScheduler } from "../dispatcher/hart-state.ts";
import type { VmOutcome } from "../outcome.ts";

/** Standard error codes (SBI 2.0, section 3, table 1). */
export const SbiError = {
  SBI_SUCCESS: 0,
  SBI_ERR_FAILED: -1,
  SBI_ERR_NOT_SUPPORTED: -2,
  SBI_ERR_INVALID_PARAM: -3,
  SBI_ERR_DENIED: -4,
  SBI_ERR_INVALID_ADDRESS: -5,
  SBI_ERR_ALREADY_AVAILABLE: -6,
  SBI_ERR_ALREADY_STARTED: -7,
  SBI_ERR_ALREADY_STOPPED: -8,
} as const;
export type SbiError = (typeof SbiError)[keyof typeof SbiError];

/** One environment call, while it is served. The object is used again for the next one. */
export interface SbiCall {
  /** The caller. Arguments are in its a0 to a5. */
  hart: Hart;
  /** Function ID (a6). */
  functionId: number;
  /** What goes to a1 when the call succeeds. */
  value: number | bigint;
}

/** One SBI extension: an interpreter routine of the VMM. Guest arguments are untrusted; no call throws. */
export interface SbiExtension {
  /** Extension ID (a7). */
  readonly id: number;
  readonly name: string;
  /** Legacy extensions return one value, in a0, and leave a1 alone (section 5). */
  readonly legacy?: boolean;
  /** Serves the call and returns what goes to a0. */
  call(call: SbiCall): number;
}

/** The console behind the Debug Console extension and the legacy console. */
export interface DebugConsole {
  /** Takes bytes that the guest prints. The array is borrowed: it must be copied if it is kept. */
  write(bytes: Uint8Array): void;
  /** Fills `target` with typed bytes as far as there are any; returns how many. */
  read?(target: Uint8Array): number;
}

/** What the extensions act upon. */
export interface SbiPlatform {
  readonly harts: readonly Hart[];
  readonly memory: GuestMemory;
  readonly scheduler: HartScheduler;
  /** Without it there is no Debug Console extension. */
  readonly console: DebugConsole | undefined;
  /** Ends the run. */
  end(outcome: VmOutcome): void;
}

/** Argument registers. */
export const A0 = 10;
export const A1 = 11;
export const A2 = 12;
export const A6 = 16;
export const A7 = 17;

/** What the dispatcher does with a hart. */
export const HartState = {
  /** It gets its turns. */
  RUNNABLE: 0,
  /** It executed WFI: no turns until an interrupt is pending. */
  WAITING: 1,
  /** It asked the firmware to be suspended: as WAITING, but told apart when another hart asks for its state. */
  SUSPENDED: 2,
  /** It is not started. */
  STOPPED: 3,
} as const;
export type HartState = (typeof HartState)[keyof typeof HartState];

/** How interpreter routines change who runs. */
export interface HartScheduler {
  stateOf(hart: number): HartState;
  setState(hart: number, state: HartState): void;
}

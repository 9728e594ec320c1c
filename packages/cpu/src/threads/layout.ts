/**
 * What the threads of a machine tell each other, as words of 4 bytes unless noted. Offsets count from a hart's block
 * for {@link Mailbox} and `Call`, from address 0 for {@link Control}. JavaScript changes them by Atomics only;
 * generated code reads {@link Mailbox.MAIL}.
 */
export const Mailbox = {
  /**
   * What others want from the hart: {@link Mail} bits and `URGENT`, 0 when nothing. Translated code compares it
   * with the instructions that remain, so that one comparison finds both a used-up budget and mail.
   */
  MAIL: 0x600,
  /** Counts up when the hart's thread shall look again at why it sleeps. */
  WAKE: 0x604,
  /** {@link Activity}. */
  ACTIVITY: 0x608,
  /** Interrupt inputs that devices drive, as `mip` bits. */
  LINES: 0x60c,
  /** Not 0 when the last device access found no device. */
  UNANSWERED: 0x610,
  /** A word for whoever schedules the harts. */
  SCHEDULE: 0x614,
  /** Requests that were posted and want an answer, and the number up to which they have been served. */
  POSTED: 0x618,
  SERVED: 0x61c,
} as const;

/** A call of the hart to the thread that has the devices: one at a time. */
export const Call = {
  /** {@link CallState}. */
  STATE: 0x640,
  KIND: 0x644,
  /** Bytes of the access. */
  SIZE: 0x648,
  /** Guest physical address (float, 8 bytes). */
  ADDRESS: 0x650,
  /** What is written or was read (8 bytes). */
  VALUE: 0x658,
} as const;

export const CallState = { IDLE: 0, ASKED: 1, ANSWERED: 2 } as const;

export const CallKind = { READ: 0, WRITE: 1, READ64: 2, WRITE64: 3, FIRMWARE: 4, TRAP_LOOP: 5 } as const;
export type CallKind = (typeof CallKind)[keyof typeof CallKind];

/** Numbers that the hart's thread publishes (8 bytes each). */
export const STATISTICS = { START: 0x380, COUNT: 80 } as const;

/** What a hart's thread is doing. */
export const Activity = {
  /** It executes guest code. */
  RUNNING: 0,
  /** It executes none, and looks at its mail before it does. */
  QUIET: 1,
  /** The same, in the middle of an instruction that calls the thread with the devices. */
  CALLING: 2,
  /** The same, and it leaves the hart's block alone until it is woken and nothing holds the machine. */
  RESTING: 3,
} as const;

/** What a hart can be asked for. */
export const Mail = {
  /** Supervisor software interrupt. */
  SOFTWARE_INTERRUPT: 1,
  /** {@link Mailbox.LINES} has changed. */
  LINES: 2,
  /** SFENCE.VMA with neither address nor ASID. */
  FENCE_VMA: 4,
  /** FENCE.I: taking the mail is enough. */
  FENCE_I: 8,
  /** Another hart is about to translate code: stores to such pages have to be announced from now on. */
  PROTECT_CODE: 16,
  /** Pages were written of whose code the hart has translations: see `CodeHolders.stale`. */
  CODE_WRITTEN: 32,
  /** To leave guest code soon. */
  EXIT: 64,
} as const;

/** Set with any {@link Mail}: above every number of remaining instructions. */
export const URGENT: number = 1 << 30;

/** Words that all harts share, as host addresses. */
export const Control = {
  /** Counts up when the thread with the devices has something to do. */
  DOORBELL: 0x1000,
  /** Not 0 while no hart may run. */
  HOLD: 0x1040,
  /** How many wait for answers of others. */
  WAITERS: 0x1080,
  /** For whoever schedules the harts: 64 bytes. */
  SCHEDULER: 0x10c0,
} as const;

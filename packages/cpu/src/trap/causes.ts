/** Exception codes (privileged specification 1.12, table "Machine cause register values after trap"). */
export const Exception = {
  INSTRUCTION_ADDRESS_MISALIGNED: 0,
  INSTRUCTION_ACCESS_FAULT: 1,
  ILLEGAL_INSTRUCTION: 2,
  BREAKPOINT: 3,
  LOAD_ADDRESS_MISALIGNED: 4,
  LOAD_ACCESS_FAULT: 5,
  STORE_ADDRESS_MISALIGNED: 6,
  STORE_ACCESS_FAULT: 7,
  ECALL_FROM_USER: 8,
  ECALL_FROM_SUPERVISOR: 9,
  ECALL_FROM_MACHINE: 11,
  INSTRUCTION_PAGE_FAULT: 12,
  LOAD_PAGE_FAULT: 13,
  STORE_PAGE_FAULT: 15,
} as const;

/** Interrupt codes, which are bit numbers in `mip` and `mie` (section 3.1.9). */
export const Interrupt = {
  SUPERVISOR_SOFTWARE: 1,
  MACHINE_SOFTWARE: 3,
  SUPERVISOR_TIMER: 5,
  MACHINE_TIMER: 7,
  SUPERVISOR_EXTERNAL: 9,
  MACHINE_EXTERNAL: 11,
} as const;

/** Interrupts in order of falling priority (section 3.1.9). */
export const INTERRUPT_PRIORITY: readonly number[] = [
  Interrupt.MACHINE_EXTERNAL,
  Interrupt.MACHINE_SOFTWARE,
  Interrupt.MACHINE_TIMER,
  Interrupt.SUPERVISOR_EXTERNAL,
  Interrupt.SUPERVISOR_SOFTWARE,
  Interrupt.SUPERVISOR_TIMER,
];

/** `mip` and `mie` bits as masks. */
export const InterruptBit = {
  SSIP: 0x002,
  MSIP: 0x008,
  STIP: 0x020,
  MTIP: 0x080,
  SEIP: 0x200,
  MEIP: 0x800,
} as const;

/** The interrupts that can be delegated to S-mode. */
export const SUPERVISOR_INTERRUPTS: number = InterruptBit.SSIP | InterruptBit.STIP | InterruptBit.SEIP;

/** The exceptions that can be delegated: every one but the environment call from M-mode (section 3.1.8). */
export const DELEGABLE_EXCEPTIONS: number = Object.values(Exception)
  .filter((code) => code !== Exception.ECALL_FROM_MACHINE)
  .reduce((mask: number, code) => mask | (1 << code), 0);

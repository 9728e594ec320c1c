/** What a counter counts. */
export interface CounterDescription {
  readonly unit: string;
  /** A clause without a full stop. */
  readonly meaning: string;
}

const count = (unit: string, meaning: string): CounterDescription => ({ unit, meaning });

/** The counters of `Processor.counters()`: all harts together, since the processor was made. */
export const PROCESSOR_COUNTERS: Readonly<Record<string, CounterDescription>> = {
  instructions: count("instructions", "retired since power-on, those of a restored snapshot included"),
  instructionsInterpreted: count("instructions", "executed by the interpreter"),
  instructionsInRegions: count("instructions", "executed by translated code"),
  exitsBudget: count("exits", "of `run`: the instructions of the slice are used up"),
  exitsWait: count("exits", "of `run`: WFI with nothing pending"),
  exitsFirmwareCall: count("exits", "of `run`: an SBI call that the VMM serves"),
  exitsTrapLoop: count("exits", "of `run`: traps without end"),
  exitsRequested: count("exits", "of `run`: a device or the VMM asked for it"),
  exitsHotBlock: count("exits", "of the interpreter inside `run`: it asked for a translation"),
  regionCalls: count(
    "calls",
    "of translated code by the interpreter; regions that go on in regions count once",
  ),
  bailsMemory: count(
    "bails",
    "of translated code: a load or store that it leaves to the interpreter (fault, device, misaligned)",
  ),
  bailsSystem: count("bails", "of translated code: a CSR, fence or environment call"),
  bailsFloat: count(
    "bails",
    "of translated code: a floating-point instruction with the FPU off or a rare rounding mode",
  ),
  bailsOther: count("bails", "of translated code: the slice ended, or any other instruction"),
  mmioReads: count("accesses", "read from devices"),
  mmioWrites: count("accesses", "written to devices"),
  tlbFetchMisses: count("misses", "of the TLB by fetches"),
  tlbLoadMisses: count("misses", "of the TLB by loads, those from devices included"),
  tlbStoreMisses: count(
    "misses",
    "of the TLB by stores, those to devices and first ones to clean pages included",
  ),
  tlbWalks: count("walks", "of page tables, after misses under translation"),
  tlbRefills: count("entries", "made in the TLB"),
  tlbFlushes: count(
    "flushes",
    "of all translated entries: SFENCE.VMA for everything or in a superpage, remote fences",
  ),
  trapsPageFault: count("traps", "for page faults"),
  trapsAccessFault: count("traps", "for access faults: PMP, and addresses with nothing there"),
  trapsMisaligned: count("traps", "for misaligned addresses"),
  trapsIllegalInstruction: count("traps", "for illegal instructions"),
  trapsBreakpoint: count("traps", "for breakpoints"),
  trapsUserCall: count("traps", "for system calls: ECALL in U-mode"),
  trapsFirmwareCall: count("traps", "for firmware calls to a guest's own firmware: ECALL in S- and M-mode"),
  interruptsTimer: count("traps", "for timer interrupts"),
  interruptsSoftware: count("traps", "for software interrupts: from other harts"),
  interruptsExternal: count("traps", "for external interrupts: from devices"),
  regions: count("regions", "translated and installed now"),
  regionsTranslated: count("regions", "translated so far"),
  regionsDropped: count("regions", "dropped: their code was written, or there were too many"),
  instructionsTranslated: count("instructions", "of the guest that were translated, each time they were"),
  modules: count("modules", "of WebAssembly compiled for regions"),
  moduleBytes: count("bytes", "of those modules"),
  translationMilliseconds: count("ms", "of this thread spent on finding, generating and compiling regions"),
};

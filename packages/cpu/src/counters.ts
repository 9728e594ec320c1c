import { type HostAddresses, MmuCounter } from "@isomorph/mmu";
import type { Code, I32, Int, Var } from "@isomorph/wasm";
import { Exception, Interrupt } from "./trap/causes.ts";

/**
 * Event counters of a hart that generated code increments, as byte offsets from the hart's block, 8 bytes each: from
 * `State.COUNTERS` to 0x800.
 */
export const Counter = {
  /** Instructions that translated regions retired. */
  REGION_INSTRUCTIONS: 0x700,
  /** Calls of regions by the interpreter; regions that go on in regions count once. */
  REGION_CALLS: 0x708,
  /** Regions that left an instruction to the interpreter, by what it is: {@link BailClass}. */
  BAILS: 0x710,
  /** Traps by cause: exception codes 0 to 15, then half the code of interrupts. */
  TRAPS: 0x740,
} as const;

/** What the instruction is that a region left to the interpreter, as the index of its counter. */
const BailClass = { OTHER: 0, MEMORY: 1, SYSTEM: 2, FLOAT: 3 } as const;

const INTERRUPT_TRAPS: number = Counter.TRAPS + 16 * 8;

/** Counts a trap. `cause` is the code without the interrupt bit. */
export function emitTrapCount(c: Code, state: Var<"i32">, cause: Var<"i64">, interrupt: Var<"i32">): void {
  const { i32, i64 } = c;
  const code = c.let32(i32.and(i32.wrapI64(cause.get()), 15));
  // Interrupts have odd numbers.
  const slot = c.let32(i32.add(i32.shrU(code.get(), interrupt.get()), i32.shl(interrupt.get(), 4)));
  const place = c.let32(i32.add(state.get(), i32.shl(slot.get(), 3)));
  i64.store(place.get(), i64.add(i64.load(place.get(), Counter.TRAPS), 1), Counter.TRAPS);
}

/** Major opcodes (unprivileged specification, table "RISC-V base opcode map") by {@link BailClass}. */
const OPCODE_CLASSES: Readonly<Record<number, number>> = {
  3: BailClass.MEMORY,
  7: BailClass.MEMORY,
  35: BailClass.MEMORY,
  39: BailClass.MEMORY,
  47: BailClass.MEMORY,
  15: BailClass.SYSTEM,
  115: BailClass.SYSTEM,
  67: BailClass.FLOAT,
  71: BailClass.FLOAT,
  75: BailClass.FLOAT,
  79: BailClass.FLOAT,
  83: BailClass.FLOAT,
};

/** Two bits for each major opcode, and for each quadrant and funct3 of compressed instructions. */
function classTables(): { full: bigint; compressed: bigint } {
  let full = 0n;
  for (const [opcode, kind] of Object.entries(OPCODE_CLASSES)) {
    full |= BigInt(kind) << BigInt(2 * (Number(opcode) >> 2));
  }
  let compressed = 0n;
  for (const quadrant of [0, 2]) {
    for (const funct3 of [1, 2, 3, 5, 6, 7]) {
      compressed |= BigInt(BailClass.MEMORY) << BigInt(2 * (quadrant * 8 + funct3));
    }
  }
  return { full, compressed };
}

/** Counts that a region left the instruction at host address `ip`, the first parcel of which is there, to the interpreter. */
export function emitBailCount(c: Code, state: Var<"i32">, { ram }: HostAddresses, ip: Var<Int>): void {
  const { i32, i64 } = c;
  const { full, compressed } = classTables();
  c.scope(() => {
    const parcel = c.let32(ram(c).i32.load16U(ip.get()));
    const quadrant = c.let32(i32.and(parcel.get(), 3));
    const kind = c.let64(
      c.choose(
        "i64",
        i32.eq(quadrant.get(), 3),
        () => i64.shrU(i64.const(full), i64.extendI32U(i32.shl(i32.and(i32.shrU(parcel.get(), 2), 31), 1))),
        () =>
          i64.shrU(
            i64.const(compressed),
            i64.extendI32U(i32.shl(i32.or(i32.shl(quadrant.get(), 3), i32.shrU(parcel.get(), 13)), 1)),
          ),
      ),
    );
    const place = c.let32(i32.add(state.get(), i32.shl(i32.wrapI64(i64.and(kind.get(), 3)), 3)));
    i64.store(place.get(), i64.add(i64.load(place.get(), Counter.BAILS), 1), Counter.BAILS);
  });
}

/** Pushes what the place of a counter holds plus `amount`, and stores it there. */
export function emitAdd(c: Code, state: Var<"i32">, counter: number, amount: () => I32): void {
  const { i64 } = c;
  i64.store(state.get(), i64.add(i64.load(state.get(), counter), i64.extendI32S(amount())), counter);
}

const exception = (code: number): number => Counter.TRAPS + 8 * code;
const interrupt = (code: number): number => INTERRUPT_TRAPS + 8 * (code >> 1);

/** The counters of {@link hartCounters}: the fields that each of them is the sum of. */
const SUMS: Readonly<Record<string, readonly number[]>> = {
  regionCalls: [Counter.REGION_CALLS],
  bailsMemory: [Counter.BAILS + 8 * BailClass.MEMORY],
  bailsSystem: [Counter.BAILS + 8 * BailClass.SYSTEM],
  bailsFloat: [Counter.BAILS + 8 * BailClass.FLOAT],
  bailsOther: [Counter.BAILS + 8 * BailClass.OTHER],
  mmioReads: [MmuCounter.MMIO_READS],
  mmioWrites: [MmuCounter.MMIO_WRITES],
  tlbFetchMisses: [MmuCounter.FETCH_MISSES],
  tlbLoadMisses: [MmuCounter.LOAD_MISSES],
  tlbStoreMisses: [MmuCounter.STORE_MISSES],
  tlbWalks: [MmuCounter.WALKS],
  tlbRefills: [MmuCounter.REFILLS],
  tlbFlushes: [MmuCounter.FLUSHES],
  trapsPageFault: [
    exception(Exception.INSTRUCTION_PAGE_FAULT),
    exception(Exception.LOAD_PAGE_FAULT),
    exception(Exception.STORE_PAGE_FAULT),
  ],
  trapsAccessFault: [
    exception(Exception.INSTRUCTION_ACCESS_FAULT),
    exception(Exception.LOAD_ACCESS_FAULT),
    exception(Exception.STORE_ACCESS_FAULT),
  ],
  trapsMisaligned: [
    exception(Exception.INSTRUCTION_ADDRESS_MISALIGNED),
    exception(Exception.LOAD_ADDRESS_MISALIGNED),
    exception(Exception.STORE_ADDRESS_MISALIGNED),
  ],
  trapsIllegalInstruction: [exception(Exception.ILLEGAL_INSTRUCTION)],
  trapsBreakpoint: [exception(Exception.BREAKPOINT)],
  trapsUserCall: [exception(Exception.ECALL_FROM_USER)],
  trapsFirmwareCall: [exception(Exception.ECALL_FROM_SUPERVISOR), exception(Exception.ECALL_FROM_MACHINE)],
  interruptsTimer: [interrupt(Interrupt.SUPERVISOR_TIMER), interrupt(Interrupt.MACHINE_TIMER)],
  interruptsSoftware: [interrupt(Interrupt.SUPERVISOR_SOFTWARE), interrupt(Interrupt.MACHINE_SOFTWARE)],
  interruptsExternal: [interrupt(Interrupt.SUPERVISOR_EXTERNAL), interrupt(Interrupt.MACHINE_EXTERNAL)],
};

/** The event counters in a hart's block, by name. */
export function hartCounters(view: DataView, state: number): Record<string, number> {
  const read = (offset: number): number => Number(view.getBigUint64(state + offset, true));
  const counters: Record<string, number> = {};
  for (const [name, offsets] of Object.entries(SUMS)) {
    counters[name] = offsets.reduce((sum, offset) => sum + read(offset), 0);
  }
  return counters;
}

/** Instructions that the regions of a hart retired. */
export function regionInstructions(view: DataView, state: number): number {
  return Number(view.getBigUint64(state + Counter.REGION_INSTRUCTIONS, true));
}

/** A processor that executes a program of known behaviour, with and without translations of an earlier run. */
import { createHash } from "node:crypto";
import { assemble } from "../../src/asm.ts";
import { type Hart, type Processor, riscv64 } from "../../src/index.ts";

export const ORIGIN = 0x8000_0000;
const SIZE = 64 << 20;
const FUNCTIONS = 60;
/** Times that each function is called: less than the threshold and more than what known code needs. */
export const CALLS = 2900;

/** Functions on several pages, each called equally often through a table; `a0` is their result, `s1` counts down. */
export const programAt = (origin: number): string => `
    li a0, 1
    li s0, ${CALLS}
    la sp, stack
  round:
    la s1, table
    li s2, ${FUNCTIONS}
  next:
    ld t0, 0(s1)
    jalr t0
    addi s1, s1, 8
    addi s2, s2, -1
    bnez s2, next
    addi s0, s0, -1
    bnez s0, round
  stop: wfi
    j stop
  ${Array.from(
    { length: FUNCTIONS },
    (_, index) => `
    .org ${origin + 0x100 + index * 0x180}
    f${index}:
      sd a0, 0(sp)
      slli t1, a0, 7
      xor a0, a0, t1
      srli t1, a0, 9
      xor a0, a0, t1
      andi t2, a0, 3
    l${index}:
      addi a0, a0, ${index + 1}
      addi t2, t2, -1
      bgtz t2, l${index}
      ld t3, 0(sp)
      add a0, a0, t3
      ret`,
  ).join("")}
    .balign 8
  table: ${Array.from({ length: FUNCTIONS }, (_, index) => `.dword f${index}`).join("; ")}
    .org ${origin + 0x10000}
  stack: .dword 0
`;
export const PROGRAM: string = programAt(ORIGIN);

export interface Machine {
  readonly processor: Processor;
  readonly hart: Hart;
}

/** @param source - What stands at the start of RAM; nothing where it is undefined. */
export function machine(
  options: Parameters<typeof riscv64>[0],
  source: string | undefined = PROGRAM,
): Machine {
  const processor = riscv64(options)({
    memoryBase: ORIGIN,
    memorySize: SIZE,
    harts: 1,
    firmware: "guest",
    clock: { frequency: 10_000_000, now: () => 0 },
    log: () => {},
    bus: { covers: () => false, read: () => 0, write() {}, read64: () => 0n, write64() {} },
  });
  if (source !== undefined) processor.memory.bytes.set(assemble(source, { origin: ORIGIN }).bytes);
  return { processor, hart: processor.harts[0] as Hart };
}

/** What a run left behind in registers and the RAM that programs here write, and how it came about. */
export interface Ending {
  readonly left: {
    readonly registers: readonly bigint[];
    readonly ram: string;
    readonly instructions: number;
  };
  readonly counters: Readonly<Record<string, number>>;
}

/** Runs to the guest's WFI, in short slices. */
export function toEnd({ processor, hart }: Machine): Ending {
  for (let slices = 0; hart.run(1000) !== "wait"; slices++) {
    if (slices > 100_000) throw new Error(`the program does not end; pc ${hart.pc.toString(16)}`);
  }
  return {
    left: {
      registers: Array.from({ length: 32 }, (_, index) => hart.readRegister(index)),
      ram: createHash("sha256")
        .update(processor.memory.bytes.subarray(0, 1 << 20))
        .digest("hex"),
      instructions: hart.instructionsRetired,
    },
    counters: { ...processor.counters() },
  };
}

/** A run from the start, and the translations that it leaves. */
export function learn(
  source?: string,
  translations: Uint8Array = new Uint8Array(),
): Ending & { bytes: Uint8Array } {
  const made = machine({ translations, translationThreshold: 200 }, source);
  const ending = toEnd(made);
  const bytes = made.processor.translations();
  made.processor.close();
  return { ...ending, bytes };
}

import { assemble } from "../../src/asm.ts";
import { riscv64User, type UserExit, type UserHart, type UserProcessor } from "../../src/index.ts";
import { INTEGER_REGISTERS } from "../../src/isa/names.ts";

/** The address space of the tests. */
export const BASE = 0x1_0000;
export const SIZE = 0x4_0000;
export const END: number = BASE + SIZE;
/** Where programs are. */
export const CODE = 0x1_1000;
/** Room for data, apart from code. */
export const DATA = 0x3_0000;

/** How a tier is made: the first pass of a translated run finds the code, later ones run it. */
export const TIERS = [
  { name: "interpreted", translationThreshold: 0, passes: 1 },
  { name: "translated", translationThreshold: 1, passes: 5 },
] as const;
export type Tier = (typeof TIERS)[number];

/** A processor with a program in it. */
export interface Loaded {
  readonly processor: UserProcessor;
  readonly hart: UserHart;
  readonly symbols: ReadonlyMap<string, bigint>;
}

export function makeProcessor(translationThreshold: number, harts = 1): UserProcessor {
  const clock = { frequency: 10_000_000, now: () => 12345 };
  return riscv64User({ memoryBase: BASE, memorySize: SIZE, clock, harts, translationThreshold });
}

/** Puts code at an address, as an embedder does. */
export function put(processor: UserProcessor, address: number, bytes: Uint8Array): void {
  processor.memory.view(address, bytes.length).set(bytes);
  processor.memory.markDirty(address, bytes.length);
}

export function load(tier: Tier, text: string): Loaded {
  const processor = makeProcessor(tier.translationThreshold);
  const { bytes, symbols } = assemble(text, { origin: CODE });
  put(processor, CODE, bytes);
  const hart = processor.harts[0] as UserHart;
  hart.pc = BigInt(CODE);
  return { processor, hart, symbols };
}

/** How a program ended. */
export interface Ending {
  readonly exit: UserExit;
  readonly cause: number;
  readonly value: bigint;
  readonly pc: bigint;
  readonly retired: number;
  readonly hart: UserHart;
  readonly processor: UserProcessor;
  x(name: string): bigint;
}

/**
 * Runs a program, several times where it is to be translated, from the same state; gives the end of the last time. Each has
 * a processor of its own: code that others were written over would be translated less eagerly.
 */
export function runProgram(
  tier: Tier,
  text: string,
  prepare: (hart: UserHart, processor: UserProcessor) => void = () => {},
): Ending {
  // A jump that goes nowhere makes the start of the body one that is worth translating.
  const { processor, hart } = load(tier, `j body\n.balign 4\nbody:\n${text}\n`);
  let exit: UserExit = "budget";
  let before = 0;
  for (let pass = 0; pass < tier.passes; pass++) {
    processor.memory.view(DATA, END - DATA).fill(0);
    for (let register = 0; register < 32; register++) {
      hart.writeRegister(register, 0n);
      hart.writeFloatRegister(register, 0n);
    }
    hart.fcsr = 0;
    hart.pc = BigInt(CODE);
    prepare(hart, processor);
    before = hart.instructionsRetired;
    exit = hart.run(1_000_000);
  }
  const { trapCause: cause, trapValue: value, pc } = hart;
  const x = (name: string): bigint => hart.readRegister(INTEGER_REGISTERS.indexOf(name));
  return { exit, cause, value, pc, retired: hart.instructionsRetired - before, hart, processor, x };
}

import type { Code, F32, F64, I64, Var } from "@isomorph/wasm";
import type { HartBlock } from "../core/soft-tlb.ts";
import { Flag } from "../float/types.ts";
import { FIELDS } from "../isa/fields.ts";
import { State } from "../state.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import type { Block, Region } from "./region.ts";
import { type RegisterFlow, type RegisterUse, registerFlow } from "./registers.ts";

/** All bits of a double's exponent, as {@link FloatRegisters.ready} has them. */
const READY = 0x7ff;
/** FFLAGS and FRM as one value: the flag NX, and the whole of FRM. */
const NX_AND_FRM = 0xffff_ffff_0000_0001n;

/** What is known of the registers at some place in a block. */
export interface FloatKnowledge {
  readonly dirty: number;
  readonly singles: number;
}

/** The floating-point registers of a region, as variables of its function. */
export class FloatRegisters {
  /**
   * {@link READY} where the host's arithmetic may stand for the guest's: dynamic rounding to nearest, and NX accrued,
   * so that inexact results change no flag. Else 0.
   */
  readonly ready: Var<"i32">;
  readonly #code: Code;
  readonly #state: HartBlock;
  readonly #usesFloat: boolean;
  /** Contents as doubles, whatever they are: moves of doubles keep all bits. */
  readonly #doubles: (Var<"f64"> | undefined)[] = [];
  /** The same registers as singles, where the region uses them so: valid for those in {@link #singles}. */
  readonly #values: (Var<"f32"> | undefined)[] = [];
  readonly #exitDirty: Var<"i32">;
  readonly #computes: boolean;
  #flow: RegisterFlow = { dirty: [], live: [] };
  /** Registers that the region writes. */
  #written = 0;
  /** Registers whose variable may hold what the hart's block does not. */
  #dirty = 0;
  /** What is remembered for the exit here, where that is known. */
  #exitKnown: number | undefined;
  /** Registers whose value as a single is in its variable too. */
  #singles = 0;

  constructor(code: Code, state: HartBlock, region: Region) {
    this.#code = code;
    this.#state = state;
    this.#usesFloat = region.usesFloat;
    this.ready = code.var("i32");
    this.#exitDirty = code.var("i32");
    let used = 0;
    let usedAsSingles = 0;
    let computes = false;
    for (const { instructions } of region.usesFloat ? region.blocks : []) {
      for (const decoded of instructions) {
        const registers = registersRead(decoded) | registerWritten(decoded);
        used |= registers;
        const { extension, name } = decoded.instruction;
        if (extension === "f" || name.includes(".s")) usedAsSingles |= registers;
        computes ||= decoded.instruction.fields.includes("rm");
      }
    }
    this.#computes = computes;
    for (let register = 0; register < 32; register++) {
      if (((used >>> register) & 1) !== 0) this.#doubles[register] = code.var("f64");
      if (((usedAsSingles >>> register) & 1) !== 0) this.#values[register] = code.var("f32");
    }
  }

  /** Finds out what is to be loaded and stored where. */
  follow(blocks: readonly Block[], successors: readonly (readonly number[])[]): void {
    if (!this.#usesFloat) return;
    const uses = blocks.map(useOf);
    this.#flow = registerFlow(blocks, uses, successors);
    this.#written = uses.reduce((all, { written }) => all | written, 0);
  }

  // Into and out of the hart's block.

  /** Loads what a block needs. */
  load(block: number): void {
    const { f64 } = this.#code;
    this.#each(this.#flow.live[block] ?? 0, (variable, offset) => {
      variable.set(f64.load(this.#state.get(), offset));
    });
    this.refresh();
    this.#dirty = 0;
  }

  /** Takes over what FFLAGS and FRM say. */
  refresh(): void {
    if (!this.#computes) return;
    const { i32, i64 } = this.#code;
    const flags = i64.load(this.#state.get(), State.FFLAGS);
    const ready = i64.eq(i64.and(flags, NX_AND_FRM), Flag.NX);
    this.ready.set(i32.mul(ready, READY));
  }

  /** Stores what may have changed. */
  store(): void {
    const { f64 } = this.#code;
    this.#each(this.#dirty, (variable, offset) => f64.store(this.#state.get(), variable.get(), offset));
  }

  /** Remembers what has to be stored if the region is left right here. */
  prepareExit(): void {
    this.#exitDirtyIs(this.#dirty);
  }
  /** The same at the start of a block. */
  prepareExitAt(block: number): void {
    this.#exitKnown = undefined;
    this.#exitDirtyIs(this.#flow.dirty[block] ?? 0);
  }
  #exitDirtyIs(registers: number): void {
    if (this.#written === 0 || this.#exitKnown === registers) return;
    this.#exitKnown = registers;
    this.#exitDirty.set(this.#code.i32.const(registers));
  }

  /** What was remembered is not known any more. */
  forgetExit(): void {
    this.#exitKnown = undefined;
  }

  /** Stores what was remembered. */
  storeAtExit(): void {
    const { i32, f64 } = this.#code;
    this.#each(this.#written, (variable, offset, bit) => {
      this.#code.if(i32.and(this.#exitDirty.get(), bit), () =>
        f64.store(this.#state.get(), variable.get(), offset),
      );
    });
  }

  #each(registers: number, body: (variable: Var<"f64">, offset: number, bit: number) => void): void {
    for (let register = 0; register < 32; register++) {
      const bit = 1 << register;
      if ((registers & bit) === 0) continue;
      body(this.#doubles[register] as Var<"f64">, State.F + 8 * register, bit);
    }
  }

  // What is known while a block is emitted.

  /** A block begins. */
  enter(block: number): void {
    this.#dirty = this.#flow.dirty[block] ?? 0;
    this.#singles = 0;
    this.#exitKnown = undefined;
  }
  get knowledge(): FloatKnowledge {
    return { dirty: this.#dirty, singles: this.#singles };
  }
  /** Goes back to what was known earlier, to emit an alternative. */
  restore({ dirty, singles }: FloatKnowledge): void {
    this.#dirty = dirty;
    this.#singles = singles;
  }

  // Contents.

  double(register: number): F64 {
    return (this.#doubles[register] as Var<"f64">).get();
  }
  setDouble(register: number, value: F64): void {
    (this.#doubles[register] as Var<"f64">).set(value);
    this.#dirty |= 1 << register;
    this.#singles &= ~(1 << register);
  }
  bits(register: number): I64 {
    return this.#code.i64.reinterpretF64(this.double(register));
  }
  setBits(register: number, bits: I64): void {
    this.setDouble(register, this.#code.f64.reinterpretI64(bits));
  }

  /** The register as a single: the canonical NaN where it is not NaN-boxed. */
  single(register: number): F32 {
    const code = this.#code;
    const { i32, i64, f32 } = code;
    const variable = this.#values[register] as Var<"f32">;
    if (((this.#singles >>> register) & 1) !== 0) return variable.get();
    const bits = code.let64(this.bits(register));
    const value = i32.wrapI64(bits.get());
    const boxed = code.select(value, i32.const(0x7fc0_0000), i64.geU(bits.get(), -0x1_0000_0000));
    this.#singles |= 1 << register;
    return variable.tee(f32.reinterpretI32(boxed));
  }
  setSingle(register: number, value: F32): void {
    const { i32, i64 } = this.#code;
    const variable = this.#values[register] as Var<"f32">;
    const bits = i64.extendI32U(i32.reinterpretF32(variable.tee(value)));
    this.setBits(register, i64.or(bits, -0x1_0000_0000));
    this.#singles |= 1 << register;
  }
}

function registersRead({ instruction: { fields }, word }: DecodedInstruction): number {
  let read = 0;
  if (fields.includes("fs1")) read |= 1 << FIELDS.fs1.decode(word);
  if (fields.includes("fs2")) read |= 1 << FIELDS.fs2.decode(word);
  if (fields.includes("fs3")) read |= 1 << FIELDS.fs3.decode(word);
  return read;
}

function registerWritten({ instruction: { fields }, word }: DecodedInstruction): number {
  return fields.includes("fd") ? 1 << FIELDS.fd.decode(word) : 0;
}

function useOf({ instructions }: Block): RegisterUse {
  let exposed = 0;
  let written = 0;
  for (const decoded of instructions) {
    exposed |= registersRead(decoded) & ~written;
    written |= registerWritten(decoded);
  }
  return { exposed, written };
}

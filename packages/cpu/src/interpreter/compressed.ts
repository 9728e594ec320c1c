import type { Code, I32, I64 } from "@isomorph/wasm";
import type { CompressedInstruction, Immediate, Source } from "../isa/compressed.ts";
import type { FieldName } from "../isa/fields.ts";
import { instructionByName } from "../isa/index.ts";
import { State } from "../state.ts";
import {
  type InterpreterFunctions,
  type InterpreterLabels,
  InterpreterSemantics,
  type InterpreterVars,
} from "./semantics.ts";

/** The semantics of 16-bit instructions: those of the instruction that it stands for, operands taken from its own bits. */
export class CompressedSemantics extends InterpreterSemantics {
  readonly #vars: InterpreterVars;
  #row: CompressedInstruction | undefined;

  constructor(code: Code, vars: InterpreterVars, labels: InterpreterLabels, functions: InterpreterFunctions) {
    super(code, vars, labels, functions);
    this.#vars = vars;
  }

  /** Emits one instruction; control then falls through to the next. */
  emitCompressed(row: CompressedInstruction): void {
    this.#row = row;
    this.emit(instructionByName(row.base));
  }

  protected override get length(): number {
    return 2;
  }

  override x1(): I64 {
    return this.#register("rs1");
  }
  override x2(): I64 {
    return this.#register("rs2");
  }
  #register(field: FieldName): I64 {
    const source = this.#source(field);
    const { i64 } = this;
    return source === 0 ? i64.const(0) : i64.load(this.#base(source), placeOf(source));
  }

  override setX(value: I64): void {
    const { code, i64 } = this;
    const { state } = this.#vars;
    const source = this.#source("rd");
    const result = code.let64(value);
    if (source === 0) return;
    i64.store(this.#base(source), result.get(), placeOf(source));
    if (typeof source === "object" && "register" in source) i64.store(state.get(), 0, State.X);
  }

  override immediate32(): I32 {
    const { i32 } = this;
    const operands = Object.keys(this.#row?.operands ?? {}) as FieldName[];
    const field = operands.find((name) => /^(imm|shamt)/.test(name));
    const source = this.#source(field);
    if (typeof source === "number") return i32.const(source);
    if (!("pieces" in source)) throw new TypeError(`${this.#row?.name} has no immediate`);
    return field === "immU" ? i32.shl(this.#immediate(source), 12) : this.#immediate(source);
  }

  #source(field: FieldName | undefined): Source {
    const source = field && this.#row?.operands[field];
    if (source === undefined) throw new TypeError(`${this.#row?.name} has no ${field}`);
    return source;
  }

  /** Host address of a register, less {@link placeOf} it. */
  #base(source: Source): I32 {
    const { i32 } = this;
    const { state, word } = this.#vars;
    if (typeof source === "number") return state.get();
    if ("pieces" in source) throw new TypeError(`${this.#row?.name} has no register there`);
    const [at, mask] = "short" in source ? [source.short, 7 * 8] : [source.register, 31 * 8];
    const bits = at < 3 ? i32.shl(word.get(), 3 - at) : i32.shrU(word.get(), at - 3);
    return i32.add(i32.and(bits, mask), state.get());
  }

  /** Bits that move by the same distance move at once; the sign is spread upward from its place. */
  #immediate({ pieces, signBits }: Immediate): I32 {
    const { i32 } = this;
    const { word } = this.#vars;
    const masks = new Map<number, number>();
    let value: I32 | undefined;
    for (const [at, bit, width] of pieces) {
      if (bit + width === signBits) {
        const sign = i32.shrS(i32.shl(word.get(), 32 - at - width), 32 - signBits);
        value = i32.and(sign, -1 << bit);
        continue;
      }
      const mask = (2 ** width - 1) << bit;
      masks.set(at - bit, (masks.get(at - bit) ?? 0) | mask);
    }
    for (const [distance, mask] of masks) {
      const moved = distance < 0 ? i32.shl(word.get(), -distance) : i32.shrU(word.get(), distance);
      const part = i32.and(moved, mask);
      value = value === undefined ? part : i32.or(value, part);
    }
    return value ?? i32.const(0);
  }
}

/** Where a register, or the first that it may be, is in the hart's state. */
function placeOf(source: Source): number {
  if (typeof source === "number") return State.X + 8 * source;
  return "short" in source ? State.X + 8 * 8 : State.X;
}

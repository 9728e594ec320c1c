import { constantSteps } from "./constant.ts";
import { AssemblyError } from "./error.ts";
import type { Expression, Scope } from "./expression.ts";
import { defaultRounding, FORMS, type Form } from "./form.ts";
import { fieldValue, type Operand, readOperand, toExpression } from "./operand.ts";
import { expandPseudo } from "./pseudo.ts";

/** A finished program. */
export interface Program {
  /** The program's bytes; the first one belongs at {@link origin}. */
  readonly bytes: Uint8Array;
  /** Address of the first byte. */
  readonly origin: number;
  /** Labels with their addresses and constants with their values. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** Where a program goes. */
export interface AssemblerOptions {
  /** Address of its first byte; 0 by default. */
  readonly origin?: number;
}

const SIZES = { byte: 1, half: 2, word: 4, dword: 8 } as const;

/** Programs above this many bytes are refused, so that a stray `.org` or `.zero` costs nothing. */
const LARGEST = 1 << 28;

/**
 * Builds a RISC-V program from calls, one a statement, in the order of the program.
 *
 * Labels may be used before they are defined. Nothing is relaxed or compressed behind the caller's back: each
 * instruction has the size that its name says, `call`, `tail` and `la` always take two instructions of 4 bytes.
 * Mistakes throw an {@link AssemblyError}: at once, or in {@link finish} where they depend on a label.
 */
export class Assembler {
  /** Address of the first byte. */
  readonly origin: number;
  #bytes = new Uint8Array(1024);
  #length = 0;
  readonly #symbols = new Map<string, bigint>();
  readonly #pcrelTargets = new Map<bigint, (scope: Scope) => bigint>();
  readonly #fixups: { readonly line: number | undefined; readonly apply: () => void }[] = [];
  #line: number | undefined;

  constructor(options: AssemblerOptions = {}) {
    const { origin = 0 } = options;
    if (!Number.isSafeInteger(origin) || origin < 0)
      throw new RangeError(`origin ${origin} is not an address`);
    this.origin = origin;
  }

  /** Address of the next byte. */
  get here(): number {
    return this.origin + this.#length;
  }

  /** Line of the source that the following statements come from; errors name it. */
  set line(line: number | undefined) {
    this.#line = line;
  }

  /** Defines a label at the next byte. */
  label(name: string): this {
    return this.define(name, BigInt(this.here));
  }

  /** Defines a symbol as a value. */
  define(name: string, value: Operand): this {
    if (this.#symbols.has(name)) throw this.#error(`"${name}" is defined twice`, name);
    this.#symbols.set(name, this.#now(value));
    return this;
  }

  /**
   * One instruction or pseudo-instruction. Operands come in the order in which assembly writes them; `lw a0, 4(sp)` is
   * `emit("lw", "a0", 4, "sp")`. A rounding mode may be left out.
   */
  emit(name: string, ...operands: readonly Operand[]): this {
    const form = FORMS.get(name);
    if (form !== undefined && fits(form, operands.length)) return this.#instruction(form, operands);
    if (name === "li" && operands.length === 2) return this.#loadImmediate(operands[0]!, operands[1]!);
    const expansion = this.#guard(() => expandPseudo(name, operands));
    if (expansion === undefined) throw this.#error(...notUnderstood(name, form, operands));
    for (const [inner, ...rest] of expansion) this.emit(inner, ...rest);
    return this;
  }

  /** Values of 1, 2, 4 or 8 bytes, little-endian. */
  data(size: keyof typeof SIZES, ...values: readonly Operand[]): this {
    for (const value of values) {
      const expression = this.#guard(() => toExpression(value));
      const bytes = SIZES[size];
      this.#fix(bytes, (scope, at) => {
        const number = expression.evaluate(scope);
        const bits = bytes * 8;
        if (number < -(1n << BigInt(bits - 1)) || number >= 1n << BigInt(bits)) {
          throw new AssemblyError(`${number} does not fit ${bytes} bytes`, expression.source);
        }
        this.#store(at, bytes, number);
      });
    }
    return this;
  }

  /** Bytes as they are. */
  raw(bytes: ArrayLike<number>): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A string in UTF-8; without a closing zero byte unless `terminated`. */
  ascii(text: string, terminated = false): this {
    return this.raw(new TextEncoder().encode(terminated ? `${text}\0` : text));
  }

  /** That many zero bytes, or bytes of `value`. */
  zero(count: Operand, value = 0): this {
    const length = this.#count(count, "count");
    const at = this.#reserve(length);
    this.#bytes.fill(value, at, at + length);
    return this;
  }

  /** Continues at a multiple of `bytes`, a power of two; the gap is filled with `nop`. */
  align(bytes: number): this {
    if (!Number.isInteger(bytes) || bytes < 1 || (bytes & (bytes - 1)) !== 0) {
      throw this.#error(`${bytes} is not a power of two`, `${bytes}`);
    }
    let gap = (bytes - (this.here % bytes)) % bytes;
    if (gap % 2 === 1) this.raw([0]);
    if (gap & 2) this.emit("c.nop");
    for (gap &= ~3; gap > 0; gap -= 4) this.emit("nop");
    return this;
  }

  /** Continues at an address, which must not be below {@link here}; the gap is zero. */
  org(address: Operand): this {
    const gap = this.#now(address) - BigInt(this.here);
    if (gap < 0n) throw this.#error(`the address is ${-gap} bytes behind`, `${address}`);
    return this.zero(gap);
  }

  /** The program, with every use of a label filled in. */
  finish(): Program {
    for (const { line, apply } of this.#fixups.splice(0)) {
      this.#line = line;
      this.#guard(apply);
    }
    return {
      bytes: this.#bytes.slice(0, this.#length),
      origin: this.origin,
      symbols: new Map(this.#symbols),
    };
  }

  #instruction(form: Form, operands: readonly Operand[]): this {
    const values = this.#guard(() =>
      form.fields.map((field, index) => readOperand(field, operands[index] ?? defaultRounding(form.name))),
    );
    const here = BigInt(this.here);
    for (const value of values) {
      if (typeof value === "object" && value.pcrelHigh !== undefined)
        this.#pcrelTargets.set(here, value.pcrelHigh);
    }
    this.#fix(form.length, (scope, at) => {
      const numbers = form.fields.map((field, index) => fieldValue(field, values[index]!, scope));
      this.#store(at, form.length, BigInt(encodeChecked(form, numbers, values)));
    });
    return this;
  }

  #loadImmediate(register: Operand, value: Operand): this {
    const number = this.#now(value);
    if (number < -(1n << 63n) || number >= 1n << 64n)
      throw this.#error(`${number} does not fit 64 bits`, `${value}`);
    let source: Operand = "zero";
    for (const [name, immediate] of constantSteps(number)) {
      if (name === "lui") this.emit(name, register, immediate);
      else this.emit(name, register, source, immediate);
      source = register;
    }
    return this;
  }

  /** The value of an operand, which must not depend on what follows. */
  #now(operand: Operand): bigint {
    return this.#guard(() => toExpression(operand).evaluate(this.#scope(BigInt(this.here))));
  }

  #count(operand: Operand, what: string): number {
    const value = this.#now(operand);
    if (value < 0n || value > LARGEST) throw this.#error(`${what} ${value} is out of range`, `${operand}`);
    return Number(value);
  }

  #scope(here: bigint): Scope {
    return {
      here,
      symbol: (name) => this.#symbols.get(name),
      pcrelTarget: (address) => this.#pcrelTargets.get(address)?.(this.#scope(address)),
    };
  }

  /** Keeps room for `length` bytes that `apply` writes when all labels are known. */
  #fix(length: number, apply: (scope: Scope, at: number) => void): void {
    const scope = this.#scope(BigInt(this.here));
    const at = this.#reserve(length);
    this.#fixups.push({ line: this.#line, apply: () => apply(scope, at) });
  }

  #reserve(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > LARGEST) throw this.#error(`the program is longer than ${LARGEST} bytes`, `${end}`);
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#length = end;
    return at;
  }

  #store(at: number, length: number, value: bigint): void {
    for (let index = 0; index < length; index++) {
      this.#bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
    }
  }

  #error(message: string, token: string): AssemblyError {
    return new AssemblyError(message, token, this.#line);
  }

  /** Gives errors of inner functions their line. */
  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof AssemblyError && error.line === undefined) {
        throw new AssemblyError(error.message, error.token, this.#line);
      }
      throw error;
    }
  }
}

/** A rounding mode may be left out. */
function fits(form: Form, count: number): boolean {
  const optional = form.fields.at(-1) === "rm" ? 1 : 0;
  return count <= form.fields.length && count >= form.fields.length - optional;
}

function notUnderstood(name: string, form: Form | undefined, operands: readonly Operand[]): [string, string] {
  if (form === undefined) return [`unknown instruction "${name}"`, name];
  return [`"${name}" takes the operands "${form.syntax}", not ${operands.length}`, name];
}

function encodeChecked(
  form: Form,
  numbers: readonly number[],
  values: readonly (number | Expression)[],
): number {
  try {
    return form.encode(numbers);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shown = values.filter((value) => typeof value === "object").map(({ source }) => source);
    const token = shown.length > 0 ? shown.join(", ") : form.name;
    throw new AssemblyError(`${error.message} in "${form.name}" with "${token}"`, token, undefined, {
      cause: error,
    });
  }
}

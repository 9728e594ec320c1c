import type { AtomicOps } from "./atomic.ts";
import { ByteSink } from "./bytes.ts";
import type { Float32Ops, Float64Ops } from "./float.ts";
import type { Integer32Ops, Integer64Ops } from "./integer.ts";
import { MemoryOps } from "./memory.ts";
import {
  type FunctionRef,
  type I32,
  type Int,
  type Label,
  MEMORY_0,
  type MemoryRef,
  type Result,
  TOKEN,
  VALUE_TYPE_CODE,
  type Value,
  type Values,
  type ValueType,
} from "./types.ts";

/** A local variable of a function. */
export class Var<T extends ValueType = ValueType> {
  readonly index: number;
  readonly type: T;
  readonly #code: Code;

  constructor(code: Code, index: number, type: T) {
    this.#code = code;
    this.index = index;
    this.type = type;
  }

  /** Pushes the variable. */
  get(): Value<T> {
    this.#code.localGet(this.index);
    return TOKEN;
  }
  /** Pops into the variable. */
  set(_value: Value<T>): void {
    this.#code.localSet(this.index);
  }
  /** Copies the top of the stack into the variable. */
  tee(_value: Value<T>): Value<T> {
    this.#code.localTee(this.index);
    return TOKEN;
  }
}

/** Which way a condition goes, for the engine's layout of code and choice of registers. */
export type Hint = "likely" | "unlikely";

const TYPES = ["i32", "i64", "f32", "f64"] as const;

/**
 * Emits the body of one function. Every method appends its instruction at once; nothing is built in between, so a
 * translator can emit with no garbage. Structure is checked by the engine's validator, order by the caller.
 */
export class Code {
  /** Instructions so far. */
  readonly sink: ByteSink = new ByteSink();
  /** Hints so far: for each its place in {@link sink}, and 1 where the condition is likely to hold, else 0. */
  readonly #hints: number[] = [];
  readonly #memory0 = new MemoryOps(this.sink, MEMORY_0);
  /** The instructions on the other memories that were asked for. */
  readonly #memories: MemoryOps[] = [];
  readonly i32: Integer32Ops = this.#memory0.i32;
  readonly i64: Integer64Ops = this.#memory0.i64;
  readonly f32: Float32Ops = this.#memory0.f32;
  readonly f64: Float64Ops = this.#memory0.f64;
  readonly atomic: AtomicOps = this.#memory0.atomic;
  #depth = 0;
  #localTypes: ValueType[] = [];
  #paramCount = 0;
  readonly #free: Record<ValueType, Var[]> = { i32: [], i64: [], f32: [], f64: [] };
  /** Variables of the open scopes, the innermost last, and how many there were when each began. */
  readonly #scoped: Var[] = [];
  readonly #scopeStarts: number[] = [];
  /** The locals' declarations, while a function is finished. */
  readonly #header: ByteSink = new ByteSink(64);

  /** Starts a new function with these parameters and forgets the old one. Returns the parameters. */
  start<const P extends readonly ValueType[]>(params: P): { readonly [K in keyof P]: Var<P[K]> } {
    this.sink.clear();
    this.#hints.length = 0;
    this.#depth = 0;
    this.#localTypes = [...params];
    this.#paramCount = params.length;
    this.#scoped.length = 0;
    this.#scopeStarts.length = 0;
    for (const type of TYPES) this.#free[type].length = 0;
    return params.map((type, index) => new Var(this, index, type)) as { readonly [K in keyof P]: Var<P[K]> };
  }

  /**
   * Appends the finished function (locals, instructions, end) to a code section, and its hints, if it has any, to what comes
   * after a function's index in a section of hints.
   */
  finish(section: ByteSink, hints: ByteSink): void {
    this.sink.u8(0x0b);
    const header = this.#header;
    const types = this.#localTypes;
    const first = this.#paramCount;
    header.clear();
    let runs = 0;
    for (let index = first; index < types.length; index++) {
      if (index === first || types[index] !== types[index - 1]) runs++;
    }
    header.u32(runs);
    for (let index = first, start = first; index < types.length; index++) {
      if (index + 1 < types.length && types[index + 1] === types[index]) continue;
      header.u32(index + 1 - start);
      header.u8(VALUE_TYPE_CODE[types[index] as ValueType]);
      start = index + 1;
    }
    section.u32(header.length + this.sink.length);
    section.append(header.bytes, header.length);
    section.append(this.sink.bytes, this.sink.length);
    if (this.#hints.length === 0) return;
    hints.u32(this.#hints.length / 2);
    for (let index = 0; index < this.#hints.length; index += 2) {
      hints.u32(header.length + (this.#hints[index] as number));
      hints.u32(1);
      hints.u8(this.#hints[index + 1] as number);
    }
  }

  // Variables.

  /** A variable with an undefined value, until the enclosing {@link scope} ends. */
  var<T extends ValueType>(type: T): Var<T> {
    let variable = this.#free[type].pop() as Var<T> | undefined;
    if (variable === undefined) {
      variable = new Var(this, this.#localTypes.length, type);
      this.#localTypes.push(type);
    }
    if (this.#scopeStarts.length > 0) this.#scoped.push(variable as Var);
    return variable;
  }

  /** The instructions on a memory that was imported: {@link i32} and its like are those on memory 0. */
  on<A extends Int>(memory: MemoryRef<A>): MemoryOps<A> {
    this.#memories[memory.index] ??= memory.index === 0 ? this.#memory0 : new MemoryOps(this.sink, memory);
    return this.#memories[memory.index] as MemoryOps as MemoryOps<A>;
  }

  /** A variable that holds the value on top of the stack. */
  let<T extends ValueType>(type: T, value: Value<T>): Var<T> {
    const variable = this.var(type);
    variable.set(value);
    return variable;
  }
  /** The same of one type. */
  let32(value: I32): Var<"i32"> {
    return this.let("i32", value);
  }
  let64(value: Value<"i64">): Var<"i64"> {
    return this.let("i64", value);
  }

  /** Runs `body`; variables made in it are free for reuse afterwards. */
  scope<R>(body: () => R): R {
    const start = this.#scoped.length;
    this.#scopeStarts.push(start);
    const result = body();
    this.#scopeStarts.pop();
    for (let index = start; index < this.#scoped.length; index++) {
      const variable = this.#scoped[index] as Var;
      this.#free[variable.type].push(variable);
    }
    this.#scoped.length = start;
    return result;
  }

  localGet(index: number): void {
    this.sink.u8(0x20);
    this.sink.u32(index);
  }
  localSet(index: number): void {
    this.sink.u8(0x21);
    this.sink.u32(index);
  }
  localTee(index: number): void {
    this.sink.u8(0x22);
    this.sink.u32(index);
  }

  // Structured control.

  /** Opens a block that ends at the matching {@link end}; a branch to it goes there. */
  beginBlock(result?: ValueType): Label {
    return this.#open(0x02, result);
  }
  /** Opens a loop; a branch to it starts it again. */
  beginLoop(result?: ValueType): Label {
    return this.#open(0x03, result);
  }
  /** Opens an if on the condition on the stack. */
  beginIf(_condition: I32, result?: ValueType, hint?: Hint): Label {
    this.#hint(hint);
    return this.#open(0x04, result);
  }
  else(): void {
    this.sink.u8(0x05);
  }
  end(): void {
    this.#depth--;
    this.sink.u8(0x0b);
  }

  #open(opcode: number, result?: ValueType): Label {
    this.sink.u8(opcode);
    this.sink.u8(result === undefined ? 0x40 : VALUE_TYPE_CODE[result]);
    return this.#depth++ as Label;
  }

  #hint(hint: Hint | undefined): void {
    if (hint !== undefined) this.#hints.push(this.sink.length, hint === "likely" ? 1 : 0);
  }

  block(body: (label: Label) => void): void {
    body(this.beginBlock());
    this.end();
  }
  loop(body: (label: Label) => void): void {
    body(this.beginLoop());
    this.end();
  }
  if(condition: I32, then: () => void, otherwise?: () => void, hint?: Hint): void {
    this.beginIf(condition, undefined, hint);
    then();
    if (otherwise !== undefined) {
      this.else();
      otherwise();
    }
    this.end();
  }
  /** A conditional with a value. */
  choose<T extends ValueType>(
    type: T,
    condition: I32,
    then: () => Value<T>,
    otherwise: () => Value<T>,
    hint?: Hint,
  ): Value<T> {
    this.beginIf(condition, type, hint);
    then();
    this.else();
    otherwise();
    this.end();
    return TOKEN;
  }
  /** The first value if the condition is not zero, else the second; both are evaluated. */
  select<T extends ValueType>(_whenTrue: Value<T>, _whenFalse: Value<T>, _condition: I32): Value<T> {
    this.sink.u8(0x1b);
    return TOKEN;
  }

  br(label: Label): void {
    this.sink.u8(0x0c);
    this.sink.u32(this.#depth - 1 - label);
  }
  brIf(label: Label, _condition: I32, hint?: Hint): void {
    this.#hint(hint);
    this.sink.u8(0x0d);
    this.sink.u32(this.#depth - 1 - label);
  }
  /** Branches to the label at the index on the stack, or to `otherwise` past the end. */
  brTable(_index: I32, labels: readonly Label[], otherwise: Label): void {
    this.sink.u8(0x0e);
    this.sink.u32(labels.length);
    for (const label of labels) this.sink.u32(this.#depth - 1 - label);
    this.sink.u32(this.#depth - 1 - otherwise);
  }
  /** Leaves the function with the value on the stack, if it has one. */
  return(_value?: Value<ValueType>): void {
    this.sink.u8(0x0f);
  }
  unreachable(): void {
    this.sink.u8(0x00);
  }
  drop(_value: Value<ValueType>): void {
    this.sink.u8(0x1a);
  }

  call<const P extends readonly ValueType[], R extends ValueType | undefined>(
    target: FunctionRef<P, R>,
    ..._arguments: Values<P>
  ): Result<R> {
    this.sink.u8(0x10);
    this.sink.u32(target.index);
    return TOKEN as unknown as Result<R>;
  }

  /** Calls through table 0. The arguments come first on the stack, then the element index. */
  callIndirect<const P extends readonly ValueType[], R extends ValueType | undefined>(
    signature: { readonly typeIndex: number; readonly params: P; readonly result: R },
    _arguments: Values<P>,
    _index: I32,
  ): Result<R> {
    this.sink.u8(0x11);
    this.sink.u32(signature.typeIndex);
    this.sink.u32(0);
    return TOKEN as unknown as Result<R>;
  }

  /**
   * Leaves the function by calling another of the same result type in its place, without growing the stack. The
   * engine must support tail calls: see `supportsTailCalls`.
   */
  returnCall<const P extends readonly ValueType[], R extends ValueType | undefined>(
    target: FunctionRef<P, R>,
    ..._arguments: Values<P>
  ): void {
    this.sink.u8(0x12);
    this.sink.u32(target.index);
  }

  /** The same through table 0. The arguments come first on the stack, then the element index. */
  returnCallIndirect<const P extends readonly ValueType[]>(
    signature: { readonly typeIndex: number; readonly params: P },
    _arguments: Values<P>,
    _index: I32,
  ): void {
    this.sink.u8(0x13);
    this.sink.u32(signature.typeIndex);
    this.sink.u32(0);
  }

  /** Copies `length` bytes within memory 0 (`memory.copy`). */
  memoryCopy(destination: I32, source: I32, length: I32): void {
    this.#memory0.copy(destination, source, length);
  }
  /** Fills `length` bytes of memory 0 with a byte (`memory.fill`). */
  memoryFill(destination: I32, byte: I32, length: I32): void {
    this.#memory0.fill(destination, byte, length);
  }
}

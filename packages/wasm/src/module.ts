import { ByteSink } from "./bytes.ts";
import { Code, type Var } from "./code.ts";
import {
  type FunctionRef,
  type Int,
  type MemoryRef,
  type Result,
  VALUE_TYPE_CODE,
  type ValueType,
} from "./types.ts";

/** A function type of a module, for indirect calls. */
export interface Signature<P extends readonly ValueType[], R extends ValueType | undefined> {
  readonly typeIndex: number;
  readonly params: P;
  readonly result: R;
}

/** Limits of a memory or table. */
export interface Limits {
  readonly min: number;
  readonly max?: number;
  /** Memories only: may be shared between threads; needs `max`. */
  readonly shared?: boolean;
  /** Memories only: the type of addresses. Default `i32`. */
  readonly address?: Int;
}

/** Emits a function and leaves its result on the stack. */
export type Body<P extends readonly ValueType[], R extends ValueType | undefined> = (
  code: Code,
  params: { readonly [K in keyof P]: Var<P[K]> },
) => Result<R>;

/** A function of the module. */
interface Declared {
  readonly typeIndex: number;
  readonly name: string;
  body: Uint8Array | undefined;
  hints: ByteSink;
}

const NO_HINTS = new ByteSink(0);

/**
 * Assembles a WebAssembly module (core specification 2.0, section 5.5). Imports come first, then functions in the
 * order in which they are declared; bodies may follow in any order, once each.
 */
export class ModuleBuilder {
  readonly #types: ByteSink = new ByteSink(256);
  #typeCount = 0;
  readonly #typeIndices: Map<string, number> = new Map();
  readonly #imports: ByteSink = new ByteSink();
  #importCount = 0;
  #importedFunctions = 0;
  #importedMemories = 0;
  readonly #declared: Declared[] = [];
  readonly #exports = new ByteSink(0);
  #exportCount = 0;
  readonly #elements: { offset: number; functions: readonly FunctionRef[] }[] = [];
  /** What bodies are emitted with that are not emitted by someone else. */
  #code: Code | undefined;

  /** @param start - A module without functions whose types and imports this one has too: what refers to those is good for it. */
  constructor(start?: ModuleBuilder) {
    if (start === undefined) return;
    if (start.#declared.length > 0) {
      throw new TypeError("a module with functions cannot be the start of another");
    }
    this.#types.append(start.#types.bytes, start.#types.length);
    this.#typeCount = start.#typeCount;
    for (const [type, index] of start.#typeIndices) this.#typeIndices.set(type, index);
    this.#imports.append(start.#imports.bytes, start.#imports.length);
    this.#importCount = start.#importCount;
    this.#importedFunctions = start.#importedFunctions;
    this.#importedMemories = start.#importedMemories;
  }

  /** The index of a function type, made on first use. */
  signature<const P extends readonly ValueType[], R extends ValueType | undefined>(
    params: P,
    result: R,
  ): Signature<P, R> {
    const key = `${params.join()}>${result ?? ""}`;
    let typeIndex = this.#typeIndices.get(key);
    if (typeIndex === undefined) {
      typeIndex = this.#typeCount++;
      this.#typeIndices.set(key, typeIndex);
      this.#types.u8(0x60);
      this.#types.u32(params.length);
      for (const type of params) this.#types.u8(VALUE_TYPE_CODE[type]);
      this.#types.u32(result === undefined ? 0 : 1);
      if (result !== undefined) this.#types.u8(VALUE_TYPE_CODE[result]);
    }
    return { typeIndex, params, result };
  }

  importFunction<const P extends readonly ValueType[], R extends ValueType | undefined = undefined>(
    module: string,
    name: string,
    params: P,
    result?: R,
  ): FunctionRef<P, R> {
    if (this.#declared.length > 0) throw new TypeError(`import ${module}.${name} comes after a function`);
    const { typeIndex } = this.signature(params, result as R);
    this.#import(module, name, 0x00);
    this.#imports.u32(typeIndex);
    return { index: this.#importedFunctions++, params, result: result as R };
  }

  importMemory(module: string, name: string, limits: Limits): MemoryRef {
    this.#import(module, name, 0x02);
    this.#limits(limits);
    return { index: this.#importedMemories++, address: limits.address ?? "i32" };
  }

  importTable(module: string, name: string, limits: Limits): void {
    this.#import(module, name, 0x01);
    this.#imports.u8(0x70);
    this.#limits(limits);
  }

  #import(module: string, name: string, kind: number): void {
    this.#importCount++;
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.u8(kind);
  }

  #limits({ min, max, shared, address }: Limits): void {
    const isWide = address === "i64" ? 0x04 : 0x00;
    this.#imports.u8(isWide | (shared === true ? 0x03 : max === undefined ? 0x00 : 0x01));
    this.#imports.u32(min);
    if (max !== undefined) this.#imports.u32(max);
  }

  /** Reserves a function, so that others can call it before its body is there. */
  declare<const P extends readonly ValueType[], R extends ValueType | undefined = undefined>(
    name: string,
    params: P,
    result?: R,
  ): FunctionRef<P, R> {
    const { typeIndex } = this.signature(params, result as R);
    this.#declared.push({ typeIndex, body: undefined, hints: NO_HINTS, name });
    return { index: this.#importedFunctions + this.#declared.length - 1, params, result: result as R };
  }

  /** Gives a declared function its body. The value that `body` returns is the function's result. */
  define<P extends readonly ValueType[], R extends ValueType | undefined>(
    target: FunctionRef<P, R>,
    body: Body<P, R>,
  ): void {
    this.#code ??= new Code();
    body(this.#code, this.#code.start(target.params));
    this.#finish(target.index, this.#code);
  }

  /** Declares and defines in one step. */
  function<const P extends readonly ValueType[], R extends ValueType | undefined = undefined>(
    name: string,
    params: P,
    result: R,
    body: Body<P, R>,
  ): FunctionRef<P, R> {
    const target = this.declare(name, params, result);
    this.define(target, body);
    return target;
  }

  /** Takes the body that was emitted into `code` by someone else. */
  defineFrom(target: FunctionRef, code: Code): void {
    this.#finish(target.index, code);
  }

  #finish(index: number, code: Code): void {
    const section = new ByteSink(code.sink.length + 64);
    const hints = new ByteSink(0);
    code.finish(section, hints);
    const entry = this.#declaredAt(index);
    if (entry.body !== undefined) throw new TypeError(`function ${entry.name} is defined twice`);
    entry.body = section.bytes.subarray(0, section.length);
    entry.hints = hints;
  }

  #declaredAt(index: number): Declared {
    const entry = this.#declared[index - this.#importedFunctions];
    if (entry === undefined) throw new RangeError(`no declared function has index ${index}`);
    return entry;
  }

  export(name: string, target: FunctionRef): void {
    this.#exportCount++;
    this.#exports.name(name);
    this.#exports.u8(0x00);
    this.#exports.u32(target.index);
  }

  /** Puts functions into table 0 from `offset` on when the module is instantiated. */
  element(offset: number, functions: readonly FunctionRef[]): void {
    this.#elements.push({ offset, functions });
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const functions = new ByteSink();
    let size = 0;
    for (const { typeIndex, body, name } of this.#declared) {
      if (body === undefined) throw new TypeError(`function ${name} has no body`);
      functions.u32(typeIndex);
      size += body.length;
    }
    const elements = new ByteSink();
    for (const { offset, functions: members } of this.#elements) {
      elements.u8(0x00);
      elements.u8(0x41);
      elements.s32(offset);
      elements.u8(0x0b);
      elements.u32(members.length);
      for (const member of members) elements.u32(member.index);
    }
    const out = new ByteSink(size + 8192);
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) out.u8(byte);
    const section = (id: number, count: number, contents: readonly Uint8Array[]): void => {
      if (count === 0) return;
      out.u8(id);
      out.u32(contents.reduce((sum, { length }) => sum + length, sizeOfU32(count)));
      out.u32(count);
      for (const bytes of contents) out.append(bytes, bytes.length);
    };
    section(1, this.#typeCount, [this.#types.view()]);
    section(2, this.#importCount, [this.#imports.view()]);
    section(3, this.#declared.length, [functions.view()]);
    section(7, this.#exportCount, [this.#exports.view()]);
    section(9, this.#elements.length, [elements.view()]);
    this.#hintSection(out);
    const bodies = this.#declared.map(({ body }) => body as Uint8Array);
    section(10, this.#declared.length, bodies);
    return out.toBytes();
  }

  /** Branch hints (WebAssembly 3.0, code metadata): a custom section in front of the code, which engines may ignore. */
  #hintSection(out: ByteSink): void {
    if (!this.#declared.some(({ hints }) => hints.length > 0)) return;
    const body = new ByteSink();
    body.name("metadata.code.branch_hint");
    body.u32(this.#declared.filter(({ hints }) => hints.length > 0).length);
    this.#declared.forEach(({ hints }, index) => {
      if (hints.length === 0) return;
      body.u32(this.#importedFunctions + index);
      body.append(hints.bytes, hints.length);
    });
    out.u8(0);
    out.sized(body);
  }
}

/** Bytes of an unsigned LEB128. */
function sizeOfU32(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}

declare const type: unique symbol;

/**
 * A value on the operand stack. Instructions are emitted when a method is called, so a token stands for "what this
 * call left on the stack": use each exactly once, in the order in which it was made. What is needed twice goes
 * into a {@link Var}.
 */
export interface Value<T extends ValueType> {
  readonly [type]: T;
}
export type I32 = Value<"i32">;
export type I64 = Value<"i64">;
export type F32 = Value<"f32">;
export type F64 = Value<"f64">;

/** A vector on the operand stack. */
export type Vector = { readonly vector: unique symbol };

/** WebAssembly number types. */
export type ValueType = "i32" | "i64" | "f32" | "f64";

/** The integer types. */
export type Int = "i32" | "i64";

/** A memory of a module: addresses in it are of type `address`. */
export interface MemoryRef<A extends Int = Int> {
  readonly index: number;
  readonly address: A;
}

/** Memory 0 where it has 32-bit addresses: what the instructions of a function use that are not told otherwise. */
export const MEMORY_0: MemoryRef<"i32"> = { index: 0, address: "i32" };

/** Binary encoding of the number types (core specification 2.0, section 5.3.1). */
export const VALUE_TYPE_CODE: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
};

/** The one token there is: tokens carry their type at compile time only. */
export const TOKEN: Value<never> = Object.freeze({}) as Value<never>;

/** A label of an enclosing block or loop: the nesting depth at which it was opened. */
export type Label = number & { readonly label: unique symbol };

/** A function that code can call. */
export interface FunctionRef<
  P extends readonly ValueType[] = readonly ValueType[],
  R extends ValueType | undefined = ValueType | undefined,
> {
  readonly index: number;
  readonly params: P;
  readonly result: R;
}

/** The stack values that a list of types stands for. */
export type Values<P extends readonly ValueType[]> = { readonly [K in keyof P]: Value<P[K]> };

/** What a call leaves on the stack. */
// biome-ignore lint/suspicious/noConfusingVoidType: it is a return type, of calls and of bodies
export type Result<R extends ValueType | undefined> = R extends ValueType ? Value<R> : void;

/**
 * WebAssembly binary encoder and function builder.
 *
 * @packageDocumentation
 */
export {};

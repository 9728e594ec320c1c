import type { Code, I32, I64, Int, IntegerOps, MemoryOps, MemoryRef, Value, Var } from "@isomorph/wasm";
import { FETCH_TLB_SIZE, FETCH_TLB_START } from "./state.ts";

/** A host address on the stack, of whatever width the machine has. */
export type HostAddress = Value<Int>;

/**
 * A hart's TLB of fetches: as that of loads and stores, so that code and the data it works on never have to give way to
 * each other. Offsets are of bytes; `START` is from the hart's block.
 */
export interface FetchTlbLayout {
  readonly START: number;
  readonly ENTRIES: number;
  readonly ENTRY_SIZE: number;
  /** Tag (8 bytes). */
  readonly TAG: number;
  /** Host address minus guest virtual address, as wide as host addresses. */
  readonly ADDEND: number;
  /** For the cpu package to remember something of the page (4 bytes); 0 when the entry is made. */
  readonly EXTRA: number;
}

/**
 * The host addresses of a machine: places in the WebAssembly memory that has its RAM. Where all fits in 4 GiB that is
 * memory 0, and they have 32 bits; else RAM has memory 1 to itself, and they have 64. This is the only place that knows:
 * code is generated for both by the functions below. Harts' blocks and tables always are in memory 0, at addresses of
 * 32 bits.
 */
export interface HostAddresses {
  /** Their type in generated code. */
  readonly type: Int;
  readonly fetchTlb: FetchTlbLayout;
  /** Arithmetic on them; its loads and stores are of host addresses that are kept in memory 0. */
  ops(code: Code): IntegerOps<Int>;
  /** The instructions that access RAM. */
  ram(code: Code): MemoryOps;
  /** A variable that holds the host address on top of the stack. */
  let(code: Code, host: HostAddress): Var<Int>;
  /** One from a 64-bit value, of which the low bits count. */
  from64(code: Code, value: I64): HostAddress;
  /** The same, as far as the value goes, from 32 bits with sign. */
  from32(code: Code, value: I32): HostAddress;
  to64(code: Code, host: HostAddress): I64;
  /** The low 32 bits. */
  to32(code: Code, host: HostAddress): I32;
  /** Whether it is not 0. */
  isThere(code: Code, host: HostAddress): I32;
  /** One that WebAssembly handed over to JavaScript. */
  toNumber(value: number | bigint): number;
  /** One for a WebAssembly function that JavaScript calls. */
  fromNumber(value: number): number | bigint;
}

/** 4096 entries of 16 bytes, or 2048 of 32. */
function fetchTlb(entrySize: number, addendSize: number): FetchTlbLayout {
  return {
    START: FETCH_TLB_START,
    ENTRIES: FETCH_TLB_SIZE / entrySize,
    ENTRY_SIZE: entrySize,
    TAG: 0,
    ADDEND: 8,
    EXTRA: 8 + addendSize,
  };
}

const MEMORY_0: MemoryRef = { index: 0, address: "i32" };
const MEMORY_1: MemoryRef = { index: 1, address: "i64" };

/** Of 32 bits, with RAM in memory 0. */
export const NARROW_ADDRESSES: HostAddresses = {
  type: "i32",
  fetchTlb: fetchTlb(16, 4),
  ops: (code) => code.i32,
  ram: (code) => code.on(MEMORY_0),
  let: (code, host) => code.let32(host as I32),
  from64: (code, value) => code.i32.wrapI64(value),
  from32: (_code, value) => value,
  to64: (code, host) => code.i64.extendI32U(host as I32),
  to32: (_code, host) => host as I32,
  isThere: (_code, host) => host as I32,
  // WebAssembly hands over the upper half of 32-bit addresses as negative numbers.
  toNumber: (value) => (value as number) >>> 0,
  fromNumber: (value) => value,
};

/** Of 64 bits, with RAM in memory 1. */
export const WIDE_ADDRESSES: HostAddresses = {
  type: "i64",
  fetchTlb: fetchTlb(32, 8),
  ops: (code) => code.i64,
  ram: (code) => code.on(MEMORY_1),
  let: (code, host) => code.let64(host as I64),
  from64: (_code, value) => value,
  from32: (code, value) => code.i64.extendI32S(value),
  to64: (_code, host) => host as I64,
  to32: (code, host) => code.i32.wrapI64(host as I64),
  isThere: (code, host) => code.i64.ne(host as I64, 0),
  toNumber: (value) => Number(value),
  fromNumber: (value) => BigInt(value),
};

/** The number of the 4 KiB page of an address or offset that may have more than 32 bits. */
export function pageNumber(address: number): number {
  return Math.floor(address / 4096);
}

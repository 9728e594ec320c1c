import { type HostAddress, type HostAddresses, TLB_ENTRIES, Tlb } from "@isomorph/mmu";
import type { Code, I32, I64, MemoryOps, Var } from "@isomorph/wasm";
import type { AccessSize } from "../isa/semantics.ts";
import { State } from "../state.ts";

/** How generated code finds a hart's block in memory 0. */
export interface HartBlock {
  /** Pushes its address. */
  get(): I32;
  /** That address where code is generated for one hart alone: it becomes part of the addresses of loads and stores. */
  readonly address?: number;
}

/** An entry of a TLB: `at` plus `offset`, where `offset` does not count the constant place of the TLB. */
export interface TlbEntry {
  readonly at: Var<"i32">;
  readonly offset: number;
}

function entryAt(code: Code, block: HartBlock, scaled: I32): TlbEntry {
  const { address } = block;
  if (address !== undefined) return { at: code.let32(scaled), offset: address };
  return { at: code.let32(code.i32.add(scaled, block.get())), offset: 0 };
}

/** Base-2 logarithms of access sizes. */
export const SIZE_LOG2: Readonly<Record<AccessSize, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

/** The TLB entry of a virtual address, without the constant `Tlb.START`. */
export function tlbEntry(code: Code, state: HartBlock, va: Var<"i64">): TlbEntry {
  const { i32, i64 } = code;
  const scaled = i32.wrapI64(i64.and(i64.shrU(va.get(), 7), (TLB_ENTRIES - 1) * Tlb.ENTRY_SIZE));
  return entryAt(code, state, scaled);
}

/**
 * Whether an access hits (`eq`) or misses (`ne`): it hits if an entry of this context maps the page, the kind of access
 * is allowed and the address is aligned. `context` pushes the current context.
 */
export function tlbTag(
  code: Code,
  relation: "eq" | "ne",
  entry: TlbEntry,
  va: Var<"i64">,
  size: AccessSize,
  tag: number,
  context: () => I64,
): I32 {
  const { i64 } = code;
  const wanted = i64.or(i64.and(va.get(), -4096 | (size - 1)), context());
  return i64[relation](wanted, i64.load(entry.at.get(), entry.offset + Tlb.START + tag));
}

/** The host address that an entry translates to. */
export function tlbHost(code: Code, entry: TlbEntry, va: Var<"i64">, host: HostAddresses): HostAddress {
  return translated(code, entry, va, host, Tlb.START + Tlb.ADDEND);
}

function translated(
  code: Code,
  { at, offset }: TlbEntry,
  va: Var<"i64">,
  host: HostAddresses,
  addend: number,
): HostAddress {
  const ops = host.ops(code);
  return ops.add(host.from64(code, va.get()), ops.load(at.get(), offset + addend));
}

/** The entry of a virtual address in the TLB of fetches, without the constant `FetchTlbLayout.START`. */
export function fetchTlbEntry(
  code: Code,
  state: HartBlock,
  va: Var<"i64">,
  { fetchTlb: { ENTRIES, ENTRY_SIZE } }: HostAddresses,
): TlbEntry {
  const { i32, i64 } = code;
  const scaled = i64.and(i64.shrU(va.get(), 12 - Math.log2(ENTRY_SIZE)), (ENTRIES - 1) * ENTRY_SIZE);
  return entryAt(code, state, i32.wrapI64(scaled));
}

/** Whether the entry maps the page of an even address in the current context of fetches. */
export function fetchTlbHit(
  code: Code,
  entry: TlbEntry,
  va: Var<"i64">,
  state: HartBlock,
  { fetchTlb }: HostAddresses,
): I32 {
  const { i64 } = code;
  const wanted = i64.or(i64.and(va.get(), -4096 | 1), i64.load(state.get(), State.FETCH_CONTEXT));
  return i64.eq(wanted, i64.load(entry.at.get(), entry.offset + fetchTlb.START + fetchTlb.TAG));
}

/** The host address that an entry translates to. */
export function fetchTlbHost(code: Code, entry: TlbEntry, va: Var<"i64">, host: HostAddresses): HostAddress {
  return translated(code, entry, va, host, host.fetchTlb.START + host.fetchTlb.ADDEND);
}

/** Loads from a host address plus `offset` and extends to 64 bits. */
export function hostLoad(
  { i64 }: MemoryOps,
  host: HostAddress,
  size: AccessSize,
  signed: boolean,
  offset = 0,
): I64 {
  if (size === 8) return i64.load(host, offset);
  if (size === 4) return signed ? i64.load32S(host, offset) : i64.load32U(host, offset);
  if (size === 2) return signed ? i64.load16S(host, offset) : i64.load16U(host, offset);
  return signed ? i64.load8S(host, offset) : i64.load8U(host, offset);
}

/** Stores the low bytes of a value at a host address plus `offset`. */
export function hostStore(
  { i64 }: MemoryOps,
  host: HostAddress,
  value: I64,
  size: AccessSize,
  offset = 0,
): void {
  if (size === 8) i64.store(host, value, offset);
  else if (size === 4) i64.store32(host, value, offset);
  else if (size === 2) i64.store16(host, value, offset);
  else i64.store8(host, value, offset);
}

/** Sign-extends what a slow-path load returned zero-extended. */
export function signExtend(code: Code, value: I64, size: AccessSize): I64 {
  const { i64 } = code;
  if (size === 8) return value;
  if (size === 4) return i64.extend32S(value);
  return size === 2 ? i64.extend16S(value) : i64.extend8S(value);
}

/** The TLB context of loads and stores, from the hart's block. */
export function dataContext(code: Code, state: Var<"i32">): I64 {
  return code.i64.load(state.get(), State.DATA_CONTEXT);
}

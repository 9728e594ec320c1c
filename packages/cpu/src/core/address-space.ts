import {
  Access,
  type FlatLayout,
  type HostAddress,
  type HostAddresses,
  NARROW_ADDRESSES,
  Tlb,
} from "@isomorph/mmu";
import type { Code, I32, I64, Var } from "@isomorph/wasm";
import type { AccessSize } from "../isa/semantics.ts";
import { type HartBlock, tlbEntry, tlbHost, tlbTag } from "./soft-tlb.ts";

/** What is known of accesses when they are emitted. */
export interface Extent {
  /** {@link Access}.READ or WRITE. */
  readonly access: number;
  /** Bytes of the access; of several, of the widest of them. */
  readonly size: AccessSize;
  /** Distance from the first access to the last one where there are several. */
  readonly reach?: number;
  /** Whether they may not be done where they are not aligned. */
  readonly isAtomic?: boolean;
}

/** How an access of generated code finds its host address. Each function pushes one value, as often as it is called. */
export interface Located {
  /** Whether the access may be done at the host address; otherwise a function of the MMU has to see to it. */
  readonly hits: () => I32;
  readonly misses: () => I32;
  /** The host address, to which `offset` is to be added: as the constant of a load or store, that costs nothing. */
  readonly host: () => HostAddress;
  readonly offset: number;
}

/** How guest addresses become host addresses in generated code. */
export interface AddressSpace {
  /** What host addresses are. */
  readonly host: HostAddresses;
  /** Set where an address is its host address but for a constant: user mode with memory of its own. */
  readonly flat: FlatLayout | undefined;
  /** Emits what all the functions of an access share. `context` pushes the TLB context. */
  locate(code: Code, state: HartBlock, va: Var<"i64">, extent: Extent, context: () => I64): Located;
}

/** The address spaces of a machine with an MMU: a hit is an entry of the TLB. */
export function translatedSpace(host: HostAddresses): AddressSpace {
  return {
    host,
    flat: undefined,
    locate(code, state, va, { access, size, reach = 0 }, context) {
      const entry = tlbEntry(code, state, va);
      const last = reach === 0 ? va : code.let64(code.i64.add(va.get(), reach));
      const tag = access === Access.WRITE ? Tlb.WRITE : Tlb.READ;
      return {
        hits: () => tlbTag(code, "eq", entry, last, size, tag, context),
        misses: () => tlbTag(code, "ne", entry, last, size, tag, context),
        host: () => tlbHost(code, entry, va, host),
        offset: 0,
      };
    },
  };
}

/**
 * The address space of {@link FlatLayout}: one comparison of all 64 bits, since subtracting the base makes what lies
 * below it the largest of numbers.
 */
export function flatSpace(flat: FlatLayout): AddressSpace {
  return {
    host: NARROW_ADDRESSES,
    flat,
    locate(code, _state, va, { size, reach = 0, isAtomic = false }) {
      const { i32, i64 } = code;
      const at = code.let64(i64.add(va.get(), -flat.base));
      const last = flat.size - reach - size;
      const misaligned = (): I32 => i32.and(i32.wrapI64(va.get()), size - 1);
      return {
        hits: () => {
          const isInside = i64.leU(at.get(), last);
          return isAtomic ? i32.and(isInside, i32.eqz(misaligned())) : isInside;
        },
        misses: () => {
          const isOutside = i64.gtU(at.get(), last);
          return isAtomic ? i32.or(isOutside, misaligned()) : isOutside;
        },
        host: () => i32.wrapI64(at.get()),
        offset: flat.ramOffset,
      };
    },
  };
}

/** Pushes the host address of an access, complete. */
export function hostAddress(code: Code, { host }: AddressSpace, located: Located): HostAddress {
  return located.offset === 0 ? located.host() : host.ops(code).add(located.host(), located.offset | 0);
}

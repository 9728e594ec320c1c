import { Access, type HostAddress, type HostAddresses } from "@isomorph/mmu";
import type { Code, I32, Int, Label, Var } from "@isomorph/wasm";
import { type Extent, hostAddress, type Located } from "../core/address-space.ts";
import { SIZE_LOG2 } from "../core/soft-tlb.ts";
import type { AccessSize } from "../isa/semantics.ts";
import type { AccessGroup } from "./access-groups.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import type { CachedAccess, PageCache } from "./page-cache.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";
import type { SideExits } from "./side-exits.ts";

/** Where an access is done: the host address, on the stack, and what is to be added to it. */
export interface Place {
  readonly host: HostAddress;
  readonly offset: number;
}

/** The same for the first byte of a group. */
export interface GroupHost {
  readonly first: Var<Int>;
  readonly offset: number;
}

/**
 * Where loads and stores of a region find what they access: in the TLB, or the page that they went to last. What is
 * not there is the interpreter's, or in a patient region the MMU's.
 */
export class MemoryAccesses {
  readonly #code: Code;
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  readonly #cache: PageCache;
  readonly #exits: SideExits;
  readonly #isPatient: boolean;
  /** Pages of the block's accesses that are known. */
  pages: ReadonlyMap<DecodedInstruction, CachedAccess> | undefined;

  /** @param isPatient - Whether accesses that miss the TLB are done here rather than by the interpreter. */
  constructor(
    code: Code,
    vars: RegionVars,
    functions: RegionFunctions,
    cache: PageCache,
    exits: SideExits,
    isPatient: boolean,
  ) {
    this.#code = code;
    this.#vars = vars;
    this.#functions = functions;
    this.#cache = cache;
    this.#exits = exits;
    this.#isPatient = isPatient;
  }

  /** The host address of the first byte of a group that has been checked. */
  locateGroup({ register, from, reach, alignment }: AccessGroup): GroupHost {
    const code = this.#code;
    const first = code.let64(code.i64.add((this.#vars.x[register] as Var<"i64">).get(), from));
    const { host, offset } = this.#locate(first, { access: Access.READ, size: alignment, reach });
    return { first: this.#addresses.let(code, host()), offset };
  }

  /**
   * The host address of a group's first byte. Goes to `failed`, or leaves, if it is not in the TLB.
   *
   * @param current - Where it leaves.
   * @param member - The access by which its page may be known.
   */
  checkGroup(
    { register, from, reach, alignment, writes }: AccessGroup,
    current: DecodedInstruction,
    member: DecodedInstruction | undefined,
    failed: Label | undefined,
  ): GroupHost {
    const code = this.#code;
    const first = code.let64(code.i64.add((this.#vars.x[register] as Var<"i64">).get(), from));
    const access = writes ? Access.WRITE : Access.READ;
    const extent = { access, size: alignment, reach };
    const leave = (condition: I32): void => {
      if (failed === undefined) this.#exits.leaveAt(current, condition);
      else code.brIf(failed, condition, "unlikely");
    };
    const page = member === undefined ? undefined : this.pages?.get(member);
    if (page !== undefined)
      return { first: this.#addresses.let(code, this.#cachedHost(page, first, extent, leave)), offset: 0 };
    const { misses, host, offset } = this.#locate(first, extent);
    leave(misses());
    return { first: this.#addresses.let(code, host()), offset };
  }

  /** Where the current instruction's access is done that needs nothing else; anything else is the interpreter's. */
  place(current: DecodedInstruction, va: Var<"i64">, size: AccessSize, access: number): Place {
    const code = this.#code;
    const { i32 } = code;
    const { state } = this.#vars;
    const page = this.pages?.get(current);
    if (page !== undefined && !this.#isPatient) {
      const leave = (condition: I32): void => this.#exits.leaveAt(current, condition);
      return { host: this.#cachedHost(page, va, { access, size }, leave), offset: 0 };
    }
    const located = this.#locate(va, { access, size });
    if (!this.#isPatient) {
      this.#exits.leaveAt(current, located.misses());
      return { host: located.host(), offset: located.offset };
    }
    const host = code.var(this.#addresses.type);
    code.if(
      located.misses(),
      () => {
        const args = [state.get(), va.get(), i32.const(SIZE_LOG2[size]), i32.const(access)] as const;
        const found = host.tee(code.call(this.#functions.host, ...args));
        this.#exits.leaveAt(current, this.#addresses.ops(code).eqz(found));
      },
      () => host.set(hostAddress(code, this.#functions.space, located)),
      "unlikely",
    );
    this.#exits.forget();
    return { host: host.get(), offset: 0 };
  }

  /** The same for an access to RAM that must be aligned, with nothing to be added. */
  alignedPlace(current: DecodedInstruction, va: Var<"i64">, size: AccessSize, access: number): HostAddress {
    // The TLB finds only what is aligned.
    if (this.#functions.space.flat === undefined) return this.place(current, va, size, access).host;
    const located = this.#locate(va, { access, size, isAtomic: true });
    this.#exits.leaveAt(current, located.misses());
    return hostAddress(this.#code, this.#functions.space, located);
  }

  /** The host address of an access to a page that may be known. */
  #cachedHost(
    access: CachedAccess,
    va: Var<"i64">,
    extent: Extent,
    leave: (condition: I32) => void,
  ): HostAddress {
    // It leaves where the TLB was looked at, which is not always.
    const forgetAndLeave = (condition: I32): void => {
      this.#exits.forget();
      leave(condition);
    };
    const host = this.#cache.host(access, va, extent, () => this.#locate(va, extent), forgetAndLeave);
    this.#exits.forget();
    return host;
  }

  #locate(va: Var<"i64">, extent: Extent): Located {
    const { state, context } = this.#vars;
    return this.#functions.space.locate(this.#code, state, va, extent, () => context.get());
  }

  get #addresses(): HostAddresses {
    return this.#functions.space.host;
  }
}

import type { Code, FunctionRef, I32, Int, ModuleBuilder, Var } from "@isomorph/wasm";
import { holdsCode, pageOf } from "./code-pages.ts";
import { dataMode } from "./contexts.ts";
import { emitCount } from "./count.ts";
import { PAGE_BITS, Pte } from "./formats.ts";
import type { FetchTlbLayout, HostAddress } from "./host-addresses.ts";
import type { MmuOptions } from "./options.ts";
import { PMP_PARTIAL, type PmpFunctions } from "./pmp.ts";
import { LEAF_SUPERPAGE, Private } from "./private-state.ts";
import { Access, MmuCounter, MmuState, PageFlag, TLB_ENTRIES, Tlb } from "./state.ts";
import { accessKind, PROBE, ramOffsetOf, type WalkerFunctions } from "./walker.ts";

/**
 * (state, va, size, access): the host address of `size` bytes within one page, for an access that may happen there;
 * fills the TLB. 0 with FAULT set after a fault; 0 with FAULT as it was and PHYSICAL set when the access is allowed
 * but not to RAM. A store is announced to page tracking. With {@link PROBE} in the access code nothing changes.
 */
export type ResolveFunction = FunctionRef<readonly ["i32", "i64", "i32", "i32"], Int>;

const PAGE_MASK: number = -1 << PAGE_BITS;
const WRITABLE: number = Pte.W | Pte.D;

/** The TLB entry of a virtual address. */
export function entryOf(c: Code, state: Var<"i32">, va: Var<"i64">): I32 {
  return slotOf(c, state, va, TLB_ENTRIES, Tlb);
}

/** The entry of a virtual address in the TLB of fetches. */
export function fetchEntryOf(c: Code, state: Var<"i32">, va: Var<"i64">, layout: FetchTlbLayout): I32 {
  return slotOf(c, state, va, layout.ENTRIES, layout);
}

function slotOf(
  c: Code,
  state: Var<"i32">,
  va: Var<"i64">,
  entries: number,
  layout: { readonly START: number; readonly ENTRY_SIZE: number },
): I32 {
  const index = c.i32.and(c.i32.wrapI64(c.i64.shrU(va.get(), PAGE_BITS)), entries - 1);
  const offset = c.i32.shl(index, Math.log2(layout.ENTRY_SIZE));
  return c.i32.add(c.i32.add(offset, state.get()), layout.START);
}

/** (state, va, kind): the tag with which the page would hit now. */
function defineTag(module: ModuleBuilder): FunctionRef<readonly ["i32", "i64", "i32"], "i64"> {
  return module.function("tag", ["i32", "i64", "i32"], "i64", (c, [state, va, kind]) =>
    c.i64.or(
      c.i64.and(va.get(), PAGE_MASK),
      c.choose(
        "i64",
        c.i32.eq(kind.get(), Access.FETCH),
        () => c.i64.load(state.get(), MmuState.FETCH_CONTEXT),
        () => c.i64.load(state.get(), MmuState.DATA_CONTEXT),
      ),
    ),
  );
}

export function defineResolve(
  module: ModuleBuilder,
  options: MmuOptions,
  pmp: PmpFunctions,
  touch: FunctionRef<readonly [Int, "i32"], undefined>,
  { translate, raise }: WalkerFunctions,
): ResolveFunction {
  const tag = defineTag(module);
  const fill = defineFill(module, options, tag);
  const { host, ramOffset } = options;
  const { fetchTlb } = host;

  const miss = module.function(
    "resolveMiss",
    ["i32", "i64", "i32", "i32"],
    host.type,
    (c, [state, va, size, access]) => {
      const ops = host.ops(c);
      const nowhere = (): void => c.return(ops.const(0));
      const kind = c.let32(accessKind(c, access));
      // The counters of misses are in the order of the access codes.
      c.if(c.i32.eqz(c.i32.and(access.get(), PROBE)), () =>
        emitCount(c, () => c.i32.add(state.get(), c.i32.shl(kind.get(), 3)), MmuCounter.LOAD_MISSES),
      );
      const mode = c.let32(
        c.choose(
          "i32",
          c.i32.eq(kind.get(), Access.FETCH),
          () => c.i32.load(state.get(), MmuState.MODE),
          () => dataMode(c, state),
        ),
      );
      const address = c.let64(c.call(translate, state.get(), va.get(), access.get(), mode.get()));
      c.if(c.i64.ltS(address.get(), 0), nowhere);
      // A page may be entered into the TLB when one PMP entry, or none, governs all of it.
      const pageMatch = c.let32(
        c.call(pmp.match, state.get(), c.i64.and(address.get(), PAGE_MASK), c.i64.const(1 << PAGE_BITS)),
      );
      const match = c.let32(
        c.choose(
          "i32",
          c.i32.eq(pageMatch.get(), PMP_PARTIAL),
          () => c.call(pmp.match, state.get(), address.get(), c.i64.extendI32U(size.get())),
          () => pageMatch.get(),
        ),
      );
      const offset = c.let64(ramOffsetOf(c, address, options));
      const isDevice = c.let32(c.i64.geU(offset.get(), options.ramSize));
      c.if(
        c.i32.or(
          c.i32.eqz(c.call(pmp.allows, match.get(), kind.get(), mode.get())),
          c.i32.and(isDevice.get(), c.i32.eq(kind.get(), Access.FETCH)),
        ),
        () => {
          c.call(raise, state.get(), va.get(), access.get(), c.i32.const(0));
          nowhere();
        },
      );
      c.if(isDevice.get(), () => {
        c.i64.store(state.get(), address.get(), Private.PHYSICAL);
        nowhere();
      });
      const found = host.let(c, ops.add(host.from64(c, offset.get()), ramOffset));
      c.if(c.i32.and(access.get(), PROBE), () => c.return(found.get()));
      c.if(c.i32.eq(kind.get(), Access.WRITE), () => c.call(touch, host.from64(c, offset.get()), size.get()));
      c.if(c.i32.ne(pageMatch.get(), PMP_PARTIAL), () => {
        // What the leaf allows and PMP does not must not be entered: R and W, the only two entered together.
        c.i32.store(
          state.get(),
          c.i32.and(
            c.i32.load(state.get(), Private.LEAF),
            c.i32.or(
              c.i32.or(
                c.i32.const(~(Pte.R | Pte.W)),
                c.i32.shl(c.call(pmp.allows, match.get(), c.i32.const(Access.READ), mode.get()), 1),
              ),
              c.i32.shl(c.call(pmp.allows, match.get(), c.i32.const(Access.WRITE), mode.get()), 2),
            ),
          ),
          Private.LEAF,
        );
        c.call(fill, state.get(), va.get(), host.from64(c, offset.get()), kind.get());
      });
      return found.get();
    },
  );

  return module.function(
    "resolve",
    ["i32", "i64", "i32", "i32"],
    host.type,
    (c, [state, va, size, access]) => {
      const ops = host.ops(c);
      const hit = (addend: number): HostAddress =>
        ops.add(host.from64(c, va.get()), ops.load(entry.get(), addend));
      const kind = c.let32(accessKind(c, access));
      const entry = c.var("i32");
      c.if(c.i32.eq(kind.get(), Access.FETCH), () => {
        entry.set(fetchEntryOf(c, state, va, fetchTlb));
        c.if(
          c.i64.eq(c.i64.load(entry.get(), fetchTlb.TAG), c.call(tag, state.get(), va.get(), kind.get())),
          () => c.return(hit(fetchTlb.ADDEND)),
        );
        c.return(c.call(miss, state.get(), va.get(), size.get(), access.get()));
      });
      entry.set(entryOf(c, state, va));
      c.if(
        c.i64.eq(
          c.i64.load(c.i32.add(entry.get(), c.i32.shl(kind.get(), 3))),
          c.call(tag, state.get(), va.get(), kind.get()),
        ),
        () => c.return(hit(Tlb.ADDEND)),
      );
      return c.call(miss, state.get(), va.get(), size.get(), access.get());
    },
  );
}

/** (state, va, ramOffset, kind): enters the page of the last translation, with the rights in LEAF. */
function defineFill(
  module: ModuleBuilder,
  options: MmuOptions,
  tag: FunctionRef<readonly ["i32", "i64", "i32"], "i64">,
): FunctionRef<readonly ["i32", "i64", Int, "i32"], undefined> {
  const { host, ramOffset, pageFlagsOffset, threads } = options;
  const { fetchTlb } = host;
  return module.function(
    "fillTlb",
    ["i32", "i64", host.type, "i32"],
    undefined,
    (c, [state, va, offset, kind]) => {
      const ops = host.ops(c);
      emitCount(c, () => state.get(), MmuCounter.REFILLS);
      const leaf = c.let32(c.i32.load(state.get(), Private.LEAF));
      const value = c.let64(c.call(tag, state.get(), va.get(), kind.get()));
      const addend = host.let(c, ops.sub(ops.add(offset.get(), ramOffset), host.from64(c, va.get())));
      c.if(
        c.i32.eq(kind.get(), Access.FETCH),
        () => {
          const entry = c.let32(fetchEntryOf(c, state, va, fetchTlb));
          c.i64.store(entry.get(), value.get(), fetchTlb.TAG);
          ops.store(entry.get(), addend.get(), fetchTlb.ADDEND);
          c.i32.store(entry.get(), 0, fetchTlb.EXTRA);
        },
        () => {
          const entry = c.let32(entryOf(c, state, va));
          // Tags share the addend and nothing else: that of another page or context may stay if it is the same.
          c.if(ops.ne(ops.load(entry.get(), Tlb.ADDEND), addend.get()), () => {
            c.i64.store(entry.get(), 0, Tlb.READ);
            c.i64.store(entry.get(), 0, Tlb.WRITE);
            ops.store(entry.get(), addend.get(), Tlb.ADDEND);
          });
          c.if(c.i32.and(leaf.get(), Pte.R), () => c.i64.store(entry.get(), value.get(), Tlb.READ));
          // A store has made the page dirty; a load enters a write tag only if it was, so as to dirty nothing.
          const page = (): I32 => pageOf(c, offset.get(), options);
          const isDirtyOnly = c.i32.eq(c.i32.load8U(page(), pageFlagsOffset), PageFlag.DIRTY);
          const isQuietlyWritable =
            threads === undefined
              ? isDirtyOnly
              : c.i32.and(isDirtyOnly, c.i32.eqz(holdsCode(c, page, options)));
          c.if(c.i32.and(isQuietlyWritable, c.i32.eq(c.i32.and(leaf.get(), WRITABLE), WRITABLE)), () =>
            c.i64.store(entry.get(), value.get(), Tlb.WRITE),
          );
        },
      );
      c.if(
        c.i32.and(
          c.i32.eqz(c.i32.and(leaf.get(), Pte.G)),
          c.i64.eq(c.i64.load(state.get(), Private.SUPERVISOR), c.i64.and(value.get(), ~PAGE_MASK)),
        ),
        () => c.i32.store(state.get(), 1, Private.SUPERVISOR_HOLDS_LOCAL),
      );
      c.if(c.i32.and(leaf.get(), LEAF_SUPERPAGE), () => {
        const bit = c.let32(superpageHash(c, va));
        const byte = c.let32(c.i32.add(state.get(), c.i32.shrU(bit.get(), 3)));
        c.i32.store8(
          byte.get(),
          c.i32.or(
            c.i32.load8U(byte.get(), Private.SUPERPAGES),
            c.i32.shl(c.i32.const(1), c.i32.and(bit.get(), 7)),
          ),
          Private.SUPERPAGES,
        );
      });
    },
  );
}

/** The bit for the 1 GiB range around an address. No two ranges of Sv39 share one. */
export function superpageHash(c: Code, va: Var<"i64">): I32 {
  return c.i32.and(
    c.i32.wrapI64(
      c.i64.xor(c.i64.xor(c.i64.shrU(va.get(), 30), c.i64.shrU(va.get(), 39)), c.i64.shrU(va.get(), 48)),
    ),
    511,
  );
}

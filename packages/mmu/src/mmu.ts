import type { FunctionRef, Int, ModuleBuilder } from "@isomorph/wasm";
import { type AccessFunctions, defineAccesses } from "./accesses.ts";
import { definePages, type PageFunctions } from "./code-pages.ts";
import { type ContextFunctions, defineContexts, forgetLocal } from "./contexts.ts";
import { emitCount } from "./count.ts";
import { PAGE_BITS, Satp } from "./formats.ts";
import type { HostAddresses } from "./host-addresses.ts";
import type { MmuOptions } from "./options.ts";
import { definePmp } from "./pmp.ts";
import { Private } from "./private-state.ts";
import { defineResolve, entryOf, fetchEntryOf, superpageHash } from "./resolve.ts";
import { MmuCounter, MmuState, Tlb } from "./state.ts";
import { defineWalker } from "./walker.ts";

/**
 * The memory functions of a machine's module. `state` is the address of the hart's block in memory 0; virtual addresses
 * are complete 64-bit values; host addresses and offsets in RAM are as wide as {@link HostAddresses}. {@link MmuFunctions.pmpChanged} must have been called before a hart's first access, and
 * after its state was replaced.
 */
export interface MmuFunctions {
  /**
   * (state, va): the host address of the two bytes at `va` for execution in the current mode, which the caller has
   * checked to be even. Fills the TLB and stores FETCH_RUN. 0 after a fault, with FAULT and FAULT_ADDRESS set.
   */
  readonly fetch: FunctionRef<readonly ["i32", "i64"], Int>;
  /**
   * (state, va, sizeLog2): loads 1, 2, 4 or 8 bytes, zero-extended, at any alignment, from RAM or a device. FAULT is
   * 0, or says that the access faulted. A device access must be aligned, and sets ATTENTION.
   */
  readonly load: FunctionRef<readonly ["i32", "i64", "i32"], "i64">;
  /** (state, va, value, sizeLog2): stores likewise. Nothing is written when any part faults. */
  readonly store: FunctionRef<readonly ["i32", "i64", "i64", "i32"], undefined>;
  /**
   * (state, va, sizeLog2, access): the host address when the access of up to 4096 bytes is naturally aligned, in
   * RAM and allowed; the caller then performs it at once. Else 0: with FAULT set when it faults, with FAULT 0 when it
   * is not aligned or not to RAM. {@link Access}.WRITE announces the store to dirty and code tracking.
   */
  readonly host: FunctionRef<readonly ["i32", "i64", "i32", "i32"], Int>;
  /** `SFENCE.VMA` with neither address nor ASID. */
  readonly flushAll: FunctionRef<readonly ["i32"], undefined>;
  /** (state, asid): `SFENCE.VMA` for an address space. */
  readonly flushAsid: FunctionRef<readonly ["i32", "i64"], undefined>;
  /** (state, va): `SFENCE.VMA` for an address, whatever the ASID. */
  readonly flushAddress: FunctionRef<readonly ["i32", "i64"], undefined>;
  /** To be called when MODE, or MPRV, MPP, SUM or MXR in MSTATUS, has changed. */
  readonly contextsChanged: FunctionRef<readonly ["i32"], undefined>;
  /** (state, old): to be called after SATP was written, with the value it had. */
  readonly satpChanged: FunctionRef<readonly ["i32", "i64"], undefined>;
  /** To be called after PMPCFG or PMPADDR was written: decodes them, sets PMP_ACTIVE, clears the TLB. */
  readonly pmpChanged: FunctionRef<readonly ["i32"], undefined>;
  /** (ramOffset): code was translated from the page there; stores to it call `codeWritten` from now on. */
  readonly protectCode: FunctionRef<readonly [Int], undefined>;
  /** (state): where harts are threads: from now on the hart's stores to pages with code call `codeWritten`. */
  readonly stripCodePages: FunctionRef<readonly ["i32"], undefined>;
}

/** Defines the memory functions in a module that imports its memory. */
export function defineMmu(module: ModuleBuilder, options: MmuOptions): MmuFunctions {
  const pages: PageFunctions = definePages(module, options);
  const pmp = definePmp(module);
  const contexts = defineContexts(module);
  const walker = defineWalker(module, options, pmp, pages.touch);
  const resolve = defineResolve(module, options, pmp, pages.touch, walker);
  const { fetchTlb } = options.host;
  const isInTlb = module.function("isInTlb", ["i32", "i64"], "i32", (c, [state, va]) =>
    c.i64.eq(
      c.i64.load(fetchEntryOf(c, state, va, fetchTlb), fetchTlb.TAG),
      c.i64.or(c.i64.and(va.get(), -1 << PAGE_BITS), c.i64.load(state.get(), MmuState.FETCH_CONTEXT)),
    ),
  );
  const accesses: AccessFunctions = defineAccesses(module, options, walker, resolve, isInTlb);
  return {
    ...accesses,
    ...defineFlushes(module, options, contexts),
    contextsChanged: contexts.changed,
    satpChanged: defineSatpChanged(module, contexts),
    pmpChanged: module.function("pmpChanged", ["i32"], undefined, (c, [state]) => {
      c.call(pmp.decode, state.get());
      c.call(contexts.reset, state.get());
      c.call(contexts.changed, state.get());
    }),
    protectCode: pages.protectCode,
    stripCodePages: pages.stripCodePages,
  };
}

function defineFlushes(
  module: ModuleBuilder,
  { host: { fetchTlb } }: MmuOptions,
  contexts: ContextFunctions,
): Pick<MmuFunctions, "flushAll" | "flushAsid" | "flushAddress"> {
  const flushAll = module.function("flushAll", ["i32"], undefined, (c, [state]) => {
    emitCount(c, () => state.get(), MmuCounter.FLUSHES);
    c.call(contexts.forgetAll, state.get());
    c.call(contexts.changed, state.get());
  });
  const flushAsid = module.function("flushAsid", ["i32", "i64"], undefined, (c, [state, asid]) => {
    c.call(contexts.forgetAsid, state.get(), asid.get());
    c.call(contexts.changed, state.get());
  });
  const flushAddress = module.function("flushAddress", ["i32", "i64"], undefined, (c, [state, va]) => {
    // The address may lie in a superpage, pieces of which are in the TLB: then they all have to go.
    const bit = c.let32(superpageHash(c, va));
    c.if(
      c.i32.and(
        c.i32.shrU(
          c.i32.load8U(c.i32.add(state.get(), c.i32.shrU(bit.get(), 3)), Private.SUPERPAGES),
          c.i32.and(bit.get(), 7),
        ),
        1,
      ),
      () => {
        c.call(flushAll, state.get());
        c.return();
      },
    );
    const entry = c.let32(entryOf(c, state, va));
    for (const tag of [Tlb.READ, Tlb.WRITE]) c.i64.store(entry.get(), 0, tag);
    c.i64.store(fetchEntryOf(c, state, va, fetchTlb), 0, fetchTlb.TAG);
  });
  return { flushAll, flushAsid, flushAddress };
}

function defineSatpChanged(module: ModuleBuilder, contexts: ContextFunctions): MmuFunctions["satpChanged"] {
  const modeBits = BigInt.asIntN(64, -1n << BigInt(Satp.MODE_SHIFT));
  const asidBits = ((1n << BigInt(Satp.ASID_BITS)) - 1n) << BigInt(Satp.ASID_SHIFT);
  return module.function("satpChanged", ["i32", "i64"], undefined, (c, [state, old]) => {
    const changed = c.let64(c.i64.xor(c.i64.load(state.get(), MmuState.SATP), old.get()));
    c.block((done) => {
      c.if(c.i64.ne(c.i64.and(changed.get(), modeBits), 0), () => {
        c.call(contexts.forgetAll, state.get());
        c.br(done);
      });
      c.if(c.i64.ne(c.i64.and(changed.get(), asidBits), 0), () => {
        forgetLocal(c, state);
        c.call(contexts.selectSlot, state.get());
        c.br(done);
      });
      // Another table under the same ASID: software has to flush, and we do it for it.
      c.if(c.i64.ne(changed.get(), 0), () => {
        c.call(
          contexts.forgetAsid,
          state.get(),
          c.i64.shrU(c.i64.load(state.get(), MmuState.SATP), Satp.ASID_SHIFT),
        );
      });
    });
    c.call(contexts.changed, state.get());
  });
}

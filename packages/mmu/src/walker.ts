import type { Code, FunctionRef, I32, I64, Int, ModuleBuilder, Var } from "@isomorph/wasm";
import { mxrBit, satpMode, sumBit } from "./contexts.ts";
import { emitCount } from "./count.ts";
import {
  PAGE_BITS,
  PHYSICAL_BITS,
  PTE_PPN_BITS,
  PTE_PPN_SHIFT,
  PTE_SIZE,
  Pte,
  Satp,
  VPN_BITS,
} from "./formats.ts";
import type { MmuOptions } from "./options.ts";
import type { PmpFunctions } from "./pmp.ts";
import { LEAF_SUPERPAGE, Private } from "./private-state.ts";
import { Access, MmuCounter, MmuState } from "./state.ts";

/** Address translation (privileged specification 20240411, section 4.3.2), as WebAssembly functions. */
export interface WalkerFunctions {
  /**
   * (state, va, access, mode): the guest physical address, or NO_ADDRESS after a fault. What the leaf allows
   * is left in LEAF. With {@link PROBE} in the access code A and D bits stay as they are.
   */
  readonly translate: FunctionRef<readonly ["i32", "i64", "i32", "i32"], "i64">;
  /** (state, va, access, isPageFault): records a fault. */
  readonly raise: FunctionRef<readonly ["i32", "i64", "i32", "i32"], undefined>;
}

const NO_ADDRESS = -1;

/** Added to an access code: find out whether the access faults, change nothing. */
export const PROBE = 4;

const SUPERVISOR = 1;
const MACHINE = 3;
const ADUE = 1n << 61n;
const SATP_SV39 = 8;
const ALL_ALLOWED: number = Pte.R | Pte.W | Pte.X | Pte.G | Pte.A | Pte.D;

/** The access code without {@link PROBE}. */
export function accessKind(c: Code, access: Var<"i32">): I32 {
  return c.i32.and(access.get(), 3);
}

/** Bytes from the start of RAM to a physical address; not below RAM's size when the address is not in RAM. */
export function ramOffsetOf(c: Code, address: Var<"i64">, { ramBase }: MmuOptions): I64 {
  return c.i64.sub(address.get(), ramBase);
}

/**
 * @param touch (ramOffset, length): to be called before RAM is written
 */
export function defineWalker(
  module: ModuleBuilder,
  options: MmuOptions,
  pmp: PmpFunctions,
  touch: FunctionRef<readonly [Int, "i32"], undefined>,
): WalkerFunctions {
  const raise = module.function(
    "raise",
    ["i32", "i64", "i32", "i32"],
    undefined,
    (c, [state, va, access, page]) => {
      access.set(accessKind(c, access));
      // Page faults are 12, 13 and 15, access faults 1, 5 and 7, for fetches, loads and stores; FAULT is one more.
      c.i32.store(
        state.get(),
        c.choose(
          "i32",
          c.i32.eq(access.get(), Access.FETCH),
          () => c.i32.add(c.i32.mul(page.get(), 11), 2),
          () => c.i32.add(c.i32.add(c.i32.shl(access.get(), 1), c.i32.shl(page.get(), 3)), 6),
        ),
        MmuState.FAULT,
      );
      c.i64.store(state.get(), va.get(), MmuState.FAULT_ADDRESS);
    },
  );

  const pmpCheck = (c: Code, state: Var<"i32">, address: Var<"i64">, access: number): I32 =>
    c.call(
      pmp.allows,
      c.call(pmp.match, state.get(), address.get(), c.i64.const(PTE_SIZE)),
      c.i32.const(access),
      c.i32.const(SUPERVISOR),
    );

  const denied = defineDenied(module);
  const { host, ramOffset } = options;

  const walk = module.declare("walk", ["i32", "i64", "i32", "i32"], "i64");
  module.define(walk, (c, [state, va, access, mode]) => {
    const fail = (page: boolean): void => {
      c.call(raise, state.get(), va.get(), access.get(), c.i32.const(page ? 1 : 0));
      c.return(c.i64.const(NO_ADDRESS));
    };
    c.if(c.i32.eqz(c.i32.and(access.get(), PROBE)), () => emitCount(c, () => state.get(), MmuCounter.WALKS));
    const format = c.let32(c.i32.sub(satpMode(c, state), SATP_SV39));
    c.if(c.i32.gtU(format.get(), 2), () => fail(true));
    // The bit of the virtual address at which the current level's index starts; above the root at first.
    const shift = c.let64(
      c.i64.extendI32U(c.i32.add(c.i32.mul(format.get(), VPN_BITS), PAGE_BITS + 3 * VPN_BITS)),
    );
    const unused = c.let64(c.i64.sub(c.i64.const(64), shift.get()));
    c.if(c.i64.ne(c.i64.shrS(c.i64.shl(va.get(), unused.get()), unused.get()), va.get()), () => fail(true));
    const table = c.let64(
      c.i64.shrU(
        c.i64.shl(c.i64.load(state.get(), MmuState.SATP), 64 - Satp.PPN_BITS),
        64 - Satp.PPN_BITS - PAGE_BITS,
      ),
    );
    const entryAddress = c.var("i64");
    const offset = c.var("i64");
    const entry = c.var("i64");
    const flags = c.var("i32");
    const global = c.let32(c.i32.const(0));
    c.loop((next) => {
      shift.set(c.i64.sub(shift.get(), VPN_BITS));
      entryAddress.set(
        c.i64.add(table.get(), c.i64.shl(c.i64.and(c.i64.shrU(va.get(), shift.get()), 2 ** VPN_BITS - 1), 3)),
      );
      offset.set(ramOffsetOf(c, entryAddress, options));
      c.if(c.i64.geU(offset.get(), options.ramSize), () => fail(false));
      c.if(c.i32.eqz(pmpCheck(c, state, entryAddress, Access.READ)), () => fail(false));
      entry.set(host.ram(c).i64.load(host.from64(c, offset.get()), ramOffset));
      // Bits above the page number belong to extensions that are not there.
      c.if(c.i64.ne(c.i64.shrU(entry.get(), PTE_PPN_SHIFT + PTE_PPN_BITS), 0), () => fail(true));
      flags.set(c.i32.and(c.i32.wrapI64(entry.get()), 0xff));
      table.set(c.i64.shl(c.i64.shrU(entry.get(), PTE_PPN_SHIFT), PAGE_BITS));
      global.set(c.i32.or(global.get(), c.i32.and(flags.get(), Pte.G)));
      // Valid, and neither R, W nor X: a pointer, in which D, A and U are reserved.
      c.if(c.i32.eq(c.i32.and(flags.get(), Pte.V | Pte.R | Pte.W | Pte.X), Pte.V), () => {
        c.if(c.i32.and(flags.get(), Pte.D | Pte.A | Pte.U), () => fail(true));
        c.brIf(next, c.i64.ne(shift.get(), PAGE_BITS));
        fail(true);
      });
    });
    c.if(c.i32.eqz(c.i32.and(flags.get(), Pte.V)), () => fail(true));
    c.if(c.i32.eq(c.i32.and(flags.get(), Pte.R | Pte.W), Pte.W), () => fail(true));
    c.if(mxrBit(c, state), () => {
      flags.set(c.i32.or(flags.get(), c.i32.shrU(c.i32.and(flags.get(), Pte.X), 2)));
    });
    c.if(c.call(denied, state.get(), flags.get(), access.get(), mode.get()), () => fail(true));
    const within = c.let64(c.i64.sub(c.i64.shl(c.i64.const(1), shift.get()), 1));
    c.if(c.i64.ne(c.i64.and(table.get(), within.get()), 0), () => fail(true));

    const wanted = c.let32(
      c.select(c.i32.const(Pte.A | Pte.D), c.i32.const(Pte.A), c.i32.eq(accessKind(c, access), Access.WRITE)),
    );
    c.if(c.i32.ne(c.i32.and(flags.get(), wanted.get()), wanted.get()), () => {
      c.if(c.i64.eqz(c.i64.and(c.i64.load(state.get(), MmuState.MENVCFG), ADUE)), () => fail(true));
      c.if(c.i32.eqz(pmpCheck(c, state, entryAddress, Access.WRITE)), () => fail(false));
      c.if(c.i32.eqz(c.i32.and(access.get(), PROBE)), () => {
        const ram = host.ram(c);
        const at = host.let(c, host.from64(c, offset.get()));
        c.call(touch, at.get(), c.i32.const(PTE_SIZE));
        if (options.threads === undefined) {
          ram.i32.store8(at.get(), c.i32.or(c.i32.wrapI64(entry.get()), wanted.get()), ramOffset);
        } else {
          // Another hart may have changed the entry since it was read: then the walk starts over (section 4.3.2).
          const updated = c.let64(c.i64.or(entry.get(), c.i64.extendI32U(wanted.get())));
          const found = ram.atomic.compareExchange(at.get(), entry.get(), updated.get(), PTE_SIZE, ramOffset);
          c.if(c.i64.ne(found, entry.get()), () =>
            c.return(c.call(walk, state.get(), va.get(), access.get(), mode.get())),
          );
        }
        flags.set(c.i32.or(flags.get(), wanted.get()));
      });
    });
    c.i32.store(
      state.get(),
      c.i32.or(
        c.i32.or(flags.get(), global.get()),
        c.select(c.i32.const(LEAF_SUPERPAGE), c.i32.const(0), c.i64.ne(shift.get(), PAGE_BITS)),
      ),
      Private.LEAF,
    );
    return c.i64.or(table.get(), c.i64.and(va.get(), within.get()));
  });

  const translate = module.function(
    "translate",
    ["i32", "i64", "i32", "i32"],
    "i64",
    (c, [state, va, access, mode]) => {
      c.if(c.i32.or(c.i32.eq(mode.get(), MACHINE), c.i32.eqz(satpMode(c, state))), () => {
        c.i32.store(state.get(), ALL_ALLOWED, Private.LEAF);
        c.if(c.i64.eqz(c.i64.shrU(va.get(), PHYSICAL_BITS)), () => c.return(va.get()));
        c.call(raise, state.get(), va.get(), access.get(), c.i32.const(0));
        c.return(c.i64.const(NO_ADDRESS));
      });
      return c.call(walk, state.get(), va.get(), access.get(), mode.get());
    },
  );
  return { translate, raise };
}

/** (state, flags, access, mode): whether a leaf's R, W, X and U bits forbid the access; R is set under MXR. */
function defineDenied(module: ModuleBuilder): FunctionRef<readonly ["i32", "i32", "i32", "i32"], "i32"> {
  return module.function(
    "leafDenies",
    ["i32", "i32", "i32", "i32"],
    "i32",
    (c, [state, flags, access, mode]) => {
      access.set(accessKind(c, access));
      // R, W and X are bits 1, 2 and 3, in the order of the access codes.
      c.if(c.i32.eqz(c.i32.and(c.i32.shrU(c.i32.shrU(flags.get(), 1), access.get()), 1)), () => {
        c.return(c.i32.const(1));
      });
      return c.choose(
        "i32",
        c.i32.and(flags.get(), Pte.U),
        () =>
          c.i32.and(mode.get(), c.i32.or(c.i32.eq(access.get(), Access.FETCH), c.i32.eqz(sumBit(c, state)))),
        () => c.i32.eqz(mode.get()),
      );
    },
  );
}

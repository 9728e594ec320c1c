import type { FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import { PmpEntry, Private } from "./private-state.ts";
import { MmuState } from "./state.ts";

/** Physical memory protection (privileged specification, section 3.7), as WebAssembly functions. */
export interface PmpFunctions {
  /** Decodes the configuration after a write to it. */
  readonly decode: FunctionRef<readonly ["i32"], undefined>;
  /**
   * (state, address, length): the configuration byte of the first entry that touches the range, if it covers all
   * of it; PMP_PARTIAL if it covers a part only, PMP_NONE if no entry touches the range.
   */
  readonly match: FunctionRef<readonly ["i32", "i64", "i64"], "i32">;
  /** (match, access, mode): whether what {@link match} gave allows the access. */
  readonly allows: FunctionRef<readonly ["i32", "i32", "i32"], "i32">;
}

const PMP_NONE = -1;
export const PMP_PARTIAL = -2;

/** Bits 53 to 0 of `pmpaddr` are address bits 55 to 2. */
const ADDRESS_MASK = (1n << 54n) - 1n;
const ENTRIES = 16;
const LOCKED = 0x80;
const MACHINE = 3;

export function definePmp(module: ModuleBuilder): PmpFunctions {
  return { decode: defineDecode(module), match: defineMatch(module), allows: defineAllows(module) };
}

function defineDecode(module: ModuleBuilder): PmpFunctions["decode"] {
  return module.function("pmpDecode", ["i32"], undefined, (c, [state]) => {
    const index = c.let32(c.i32.const(0));
    const active = c.let32(c.i32.const(0));
    const out = c.let32(state.get());
    const below = c.let64(c.i64.const(0));
    const address = c.var("i64");
    const last = c.var("i64");
    const config = c.var("i32");
    const kind = c.var("i32");
    c.loop((next) => {
      config.set(c.i32.load8U(c.i32.add(state.get(), index.get()), MmuState.PMPCFG));
      kind.set(c.i32.and(c.i32.shrU(config.get(), 3), 3));
      address.set(
        c.i64.and(
          c.i64.load(c.i32.add(state.get(), c.i32.shl(index.get(), 3)), MmuState.PMPADDR),
          ADDRESS_MASK,
        ),
      );
      c.block((off) => {
        c.brIf(off, c.i32.eqz(kind.get()));
        c.if(
          c.i32.eq(kind.get(), 1),
          () => {
            // TOR: from the entry below up to this one, which is left out. May be empty.
            c.brIf(off, c.i64.geU(below.get(), address.get()));
            c.i64.store(out.get(), c.i64.shl(below.get(), 2), Private.PMP + PmpEntry.FIRST);
            last.set(c.i64.sub(c.i64.shl(address.get(), 2), 1));
          },
          () => {
            // NA4 is the smallest naturally aligned range, NAPOT says its size by the ones at its low end.
            last.set(c.i64.const(0));
            c.if(c.i32.eq(kind.get(), 3), () =>
              last.set(c.i64.xor(address.get(), c.i64.add(address.get(), 1))),
            );
            c.i64.store(
              out.get(),
              c.i64.shl(c.i64.and(address.get(), c.i64.xor(last.get(), -1)), 2),
              Private.PMP + PmpEntry.FIRST,
            );
            last.set(c.i64.or(c.i64.shl(c.i64.or(address.get(), last.get()), 2), 3));
          },
        );
        c.i64.store(out.get(), last.get(), Private.PMP + PmpEntry.LAST);
        c.i32.store(out.get(), config.get(), Private.PMP + PmpEntry.CONFIG);
        out.set(c.i32.add(out.get(), PmpEntry.SIZE));
        active.set(c.i32.add(active.get(), 1));
      });
      below.set(address.get());
      index.set(c.i32.add(index.get(), 1));
      c.brIf(next, c.i32.ltU(index.get(), ENTRIES));
    });
    c.i32.store(state.get(), active.get(), MmuState.PMP_ACTIVE);
  });
}

function defineMatch(module: ModuleBuilder): PmpFunctions["match"] {
  return module.function("pmpMatch", ["i32", "i64", "i64"], "i32", (c, [state, address, length]) => {
    const left = c.let32(c.i32.load(state.get(), MmuState.PMP_ACTIVE));
    const last = c.let64(c.i64.add(address.get(), c.i64.sub(length.get(), 1)));
    c.loop((next) => {
      c.if(c.i32.eqz(left.get()), () => c.return(c.i32.const(PMP_NONE)));
      c.if(
        c.i32.and(
          c.i64.leU(c.i64.load(state.get(), Private.PMP + PmpEntry.FIRST), last.get()),
          c.i64.geU(c.i64.load(state.get(), Private.PMP + PmpEntry.LAST), address.get()),
        ),
        () => {
          c.return(
            c.select(
              c.i32.load(state.get(), Private.PMP + PmpEntry.CONFIG),
              c.i32.const(PMP_PARTIAL),
              c.i32.and(
                c.i64.leU(c.i64.load(state.get(), Private.PMP + PmpEntry.FIRST), address.get()),
                c.i64.geU(c.i64.load(state.get(), Private.PMP + PmpEntry.LAST), last.get()),
              ),
            ),
          );
        },
      );
      state.set(c.i32.add(state.get(), PmpEntry.SIZE));
      left.set(c.i32.sub(left.get(), 1));
      c.br(next);
    });
    c.unreachable();
    return c.i32.const(0);
  });
}

function defineAllows(module: ModuleBuilder): PmpFunctions["allows"] {
  return module.function("pmpAllows", ["i32", "i32", "i32"], "i32", (c, [match, access, mode]) => {
    c.if(c.i32.ltS(match.get(), 0), () => {
      c.return(c.i32.and(c.i32.eq(match.get(), PMP_NONE), c.i32.eq(mode.get(), MACHINE)));
    });
    c.if(c.i32.and(c.i32.eq(mode.get(), MACHINE), c.i32.eqz(c.i32.and(match.get(), LOCKED))), () => {
      c.return(c.i32.const(1));
    });
    // R, W and X are bits 0, 1 and 2, in the order of the access codes.
    return c.i32.and(c.i32.shrU(match.get(), access.get()), 1);
  });
}

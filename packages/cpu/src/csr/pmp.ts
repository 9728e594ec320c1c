import type { FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import { State } from "../state.ts";

/** Fields of a PMP configuration byte (privileged specification, section 3.7.1). */
export const PmpConfiguration = {
  R: 0x01,
  W: 0x02,
  X: 0x04,
  A: 0x18,
  TOR: 0x08,
  NA4: 0x10,
  NAPOT: 0x18,
  L: 0x80,
} as const;

/** Number of PMP entries. */
export const PMP_ENTRIES = 16;

/** Bits of a `pmpaddr` register: address bits 55 to 2. */
export const PMP_ADDRESS_MASK = 0x3f_ffff_ffff_ffffn;

/** Bits of a configuration byte. */
export const PMP_CONFIGURATION_MASK = 0x9f;

/** Functions that write PMP registers by their lock rules (section 3.7.1). */
export interface PmpWrites {
  /** `(state, first, value)`: eight configuration bytes from entry `first` on. Locked entries keep theirs. */
  readonly configuration: FunctionRef<readonly ["i32", "i32", "i64"], undefined>;
  /** `(state, entry, value)`. Ignored where the entry is locked or bounds a locked top-of-range entry. */
  readonly address: FunctionRef<readonly ["i32", "i32", "i64"], undefined>;
}

export function definePmpWrites(
  module: ModuleBuilder,
  pmpChanged: FunctionRef<readonly ["i32"], undefined>,
): PmpWrites {
  const { A, L, R, TOR, W } = PmpConfiguration;

  const configuration = module.function(
    "pmpConfigurationWrite",
    ["i32", "i32", "i64"],
    undefined,
    (c, [state, first, value]) => {
      const at = c.let32(c.i32.add(state.get(), first.get()));
      const end = c.let32(c.i32.add(at.get(), 8));
      c.loop((again) => {
        const locked = c.i32.and(c.i32.load8U(at.get(), State.PMPCFG), L);
        c.if(c.i32.eqz(locked), () => {
          const byte = c.let32(c.i32.and(c.i32.wrapI64(value.get()), PMP_CONFIGURATION_MASK));
          // W without R is reserved: no access for what was asked to be write-only.
          c.if(c.i32.eq(c.i32.and(byte.get(), W | R), W), () => byte.set(c.i32.and(byte.get(), ~W)));
          c.i32.store8(at.get(), byte.get(), State.PMPCFG);
        });
        value.set(c.i64.shrU(value.get(), 8));
        at.set(c.i32.add(at.get(), 1));
        c.brIf(again, c.i32.ne(at.get(), end.get()));
      });
      c.call(pmpChanged, state.get());
    },
  );

  const address = module.function(
    "pmpAddressWrite",
    ["i32", "i32", "i64"],
    undefined,
    (c, [state, entry, value]) => {
      const at = c.let32(c.i32.add(state.get(), entry.get()));
      c.if(c.i32.and(c.i32.load8U(at.get(), State.PMPCFG), L), () => c.return());
      c.if(c.i32.ne(entry.get(), PMP_ENTRIES - 1), () => {
        const next = c.i32.and(c.i32.load8U(at.get(), State.PMPCFG + 1), L | A);
        c.if(c.i32.eq(next, L | TOR), () => c.return());
      });
      at.set(c.i32.add(state.get(), c.i32.shl(entry.get(), 3)));
      c.i64.store(at.get(), c.i64.and(value.get(), PMP_ADDRESS_MASK), State.PMPADDR);
      c.call(pmpChanged, state.get());
    },
  );

  return { configuration, address };
}

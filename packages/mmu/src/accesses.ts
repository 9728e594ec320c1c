import type { Code, F64, FunctionRef, I32, I64, Int, MemoryOps, ModuleBuilder, Var } from "@isomorph/wasm";
import { emitCount } from "./count.ts";
import { PAGE_BITS } from "./formats.ts";
import type { HostAddress } from "./host-addresses.ts";
import type { MmuOptions } from "./options.ts";
import { Private } from "./private-state.ts";
import type { ResolveFunction } from "./resolve.ts";
import { Access, MmuCounter, MmuState } from "./state.ts";
import { PROBE, type WalkerFunctions } from "./walker.ts";

/** Complete accesses, for what the inlined TLB check cannot do. */
export interface AccessFunctions {
  readonly fetch: FunctionRef<readonly ["i32", "i64"], Int>;
  readonly load: FunctionRef<readonly ["i32", "i64", "i32"], "i64">;
  readonly store: FunctionRef<readonly ["i32", "i64", "i64", "i32"], undefined>;
  readonly host: FunctionRef<readonly ["i32", "i64", "i32", "i32"], Int>;
}

const PAGE_BYTES: number = 1 << PAGE_BITS;

export function defineAccesses(
  module: ModuleBuilder,
  options: MmuOptions,
  { raise }: WalkerFunctions,
  resolve: ResolveFunction,
  isInTlb: FunctionRef<readonly ["i32", "i64"], "i32">,
): AccessFunctions {
  const addresses = options.host;
  const fetch = module.function("fetch", ["i32", "i64"], addresses.type, (c, [state, va]) => {
    c.i32.store(state.get(), 0, MmuState.FAULT);
    const host = addresses.let(
      c,
      c.call(resolve, state.get(), va.get(), c.i32.const(2), c.i32.const(Access.FETCH)),
    );
    // A page that is not in the TLB now is one that PMP divides: only the parcel asked for was checked.
    c.i32.store(
      state.get(),
      c.select(bytesToPageEnd(c, va), c.i32.const(2), c.call(isInTlb, state.get(), va.get())),
      MmuState.FETCH_RUN,
    );
    return host.get();
  });

  const host = module.function(
    "host",
    ["i32", "i64", "i32", "i32"],
    addresses.type,
    (c, [state, va, sizeLog2, access]) => {
      c.i32.store(state.get(), 0, MmuState.FAULT);
      const size = c.let32(c.i32.shl(c.i32.const(1), sizeLog2.get()));
      c.if(c.i32.and(c.i32.wrapI64(va.get()), c.i32.sub(size.get(), 1)), () =>
        c.return(addresses.ops(c).const(0)),
      );
      return c.call(resolve, state.get(), va.get(), size.get(), access.get());
    },
  );

  return {
    fetch,
    host,
    load: defineLoad(module, options, raise, resolve),
    store: defineStore(module, options, raise, resolve),
  };
}

function bytesToPageEnd(c: Code, va: Var<"i64">): I32 {
  return c.i32.sub(c.i32.const(PAGE_BYTES), c.i32.and(c.i32.wrapI64(va.get()), PAGE_BYTES - 1));
}

type Raise = WalkerFunctions["raise"];

/**
 * Raises the access fault of an allowed access outside RAM that no device answers, or that is not aligned: devices
 * give no meaning to parts of registers (section 3.6.3.3 leaves the choice to the platform).
 */
function requireDevice(
  c: Code,
  { imports, threads }: MmuOptions,
  raise: Raise,
  state: Var<"i32">,
  va: Var<"i64">,
  size: Var<"i32">,
  access: number,
): void {
  const misaligned = (): I32 => c.i32.and(c.i32.wrapI64(va.get()), c.i32.sub(size.get(), 1));
  const refused =
    threads === undefined
      ? c.choose(
          "i32",
          misaligned(),
          () => c.i32.const(1),
          () => c.i32.eqz(c.call(imports.mmioCovers, physical(c, state), size.get())),
        )
      : misaligned();
  c.if(refused, () => raiseAccessFault(c, raise, state, va, access));
  const counter = access === Access.READ ? MmuCounter.MMIO_READS : MmuCounter.MMIO_WRITES;
  emitCount(c, () => state.get(), counter);
  c.i32.store(state.get(), 1, MmuState.ATTENTION);
}

function raiseAccessFault(c: Code, raise: Raise, state: Var<"i32">, va: Var<"i64">, access: number): void {
  c.call(raise, state.get(), va.get(), c.i32.const(access), c.i32.const(0));
  if (access === Access.READ) c.return(c.i64.const(0));
  else c.return();
}

/** With threads the device's thread was asked for the access at once, and may have answered that there is no device. */
function requireAnswer(
  c: Code,
  { threads }: MmuOptions,
  raise: Raise,
  state: Var<"i32">,
  va: Var<"i64">,
  access: number,
): void {
  if (threads === undefined) return;
  c.if(c.i32.load(state.get(), threads.unansweredOffset), () => {
    c.i32.store(state.get(), 0, threads.unansweredOffset);
    raiseAccessFault(c, raise, state, va, access);
  });
}

function physical(c: Code, state: Var<"i32">): F64 {
  return c.f64.convertI64U(c.i64.load(state.get(), Private.PHYSICAL));
}

/** Runs the emission for the size on hand. */
function bySize(c: Code, sizeLog2: Var<"i32">, emit: (sizeLog2: number) => void): void {
  c.block((done) => {
    for (let size = 0; size < 3; size++) {
      c.if(c.i32.eq(sizeLog2.get(), size), () => {
        emit(size);
        c.br(done);
      });
    }
    emit(3);
  });
}

/** Loads from RAM. */
export function loadSized({ i64 }: MemoryOps, address: HostAddress, sizeLog2: number): I64 {
  if (sizeLog2 === 0) return i64.load8U(address);
  if (sizeLog2 === 1) return i64.load16U(address);
  return sizeLog2 === 2 ? i64.load32U(address) : i64.load(address);
}

export function storeSized({ i64 }: MemoryOps, address: HostAddress, value: I64, sizeLog2: number): void {
  if (sizeLog2 === 0) i64.store8(address, value);
  else if (sizeLog2 === 1) i64.store16(address, value);
  else if (sizeLog2 === 2) i64.store32(address, value);
  else i64.store(address, value);
}

/** All ones in the low `size` bytes, for sizes below 8. */
function lowBytes(c: Code, size: Var<"i32">): I64 {
  return c.i64.sub(c.i64.shl(c.i64.const(1), c.i64.extendI32U(c.i32.shl(size.get(), 3))), 1);
}

function defineLoad(
  module: ModuleBuilder,
  options: MmuOptions,
  raise: Raise,
  resolve: ResolveFunction,
): AccessFunctions["load"] {
  const { imports, host: addresses } = options;
  const device = module.function("loadDevice", ["i32", "i64", "i32"], "i64", (c, [state, va, size]) => {
    requireDevice(c, options, raise, state, va, size, Access.READ);
    const value = c.choose(
      "i64",
      c.i32.eq(size.get(), 8),
      () => c.call(imports.mmioRead64, physical(c, state)),
      () =>
        c.i64.and(
          c.i64.truncSatF64S(c.call(imports.mmioRead, physical(c, state), size.get())),
          lowBytes(c, size),
        ),
    );
    if (options.threads === undefined) return value;
    const answer = c.let64(value);
    requireAnswer(c, options, raise, state, va, Access.READ);
    return answer.get();
  });

  const crossing = module.function("loadCrossing", ["i32", "i64", "i32"], "i64", (c, [state, va, size]) => {
    const value = c.let64(c.i64.const(0));
    const ops = addresses.ops(c);
    const left = c.var("i32");
    const host = c.var(addresses.type);
    const shift = c.let64(c.i64.const(0));
    const part = c.let32(bytesToPageEnd(c, va));
    left.set(c.i32.sub(size.get(), part.get()));
    c.loop((next) => {
      host.set(c.call(resolve, state.get(), va.get(), part.get(), c.i32.const(Access.READ)));
      c.if(ops.eqz(host.get()), () => {
        c.if(c.i32.eqz(c.i32.load(state.get(), MmuState.FAULT)), () => {
          c.call(raise, state.get(), va.get(), c.i32.const(Access.READ), c.i32.const(0));
        });
        c.return(c.i64.const(0));
      });
      va.set(c.i64.add(va.get(), c.i64.extendI32U(part.get())));
      c.loop((again) => {
        value.set(c.i64.or(value.get(), c.i64.shl(addresses.ram(c).i64.load8U(host.get()), shift.get())));
        shift.set(c.i64.add(shift.get(), 8));
        host.set(ops.add(host.get(), 1));
        part.set(c.i32.sub(part.get(), 1));
        c.brIf(again, part.get());
      });
      part.set(left.get());
      left.set(c.i32.const(0));
      c.brIf(next, part.get());
    });
    return value.get();
  });

  return module.function("load", ["i32", "i64", "i32"], "i64", (c, [state, va, sizeLog2]) => {
    c.i32.store(state.get(), 0, MmuState.FAULT);
    const size = c.let32(c.i32.shl(c.i32.const(1), sizeLog2.get()));
    c.if(c.i32.gtU(size.get(), bytesToPageEnd(c, va)), () => {
      c.return(c.call(crossing, state.get(), va.get(), size.get()));
    });
    const host = addresses.let(
      c,
      c.call(resolve, state.get(), va.get(), size.get(), c.i32.const(Access.READ)),
    );
    c.if(addresses.ops(c).eqz(host.get()), () => {
      c.if(c.i32.load(state.get(), MmuState.FAULT), () => c.return(c.i64.const(0)));
      c.return(c.call(device, state.get(), va.get(), size.get()));
    });
    bySize(c, sizeLog2, (log2) => c.return(loadSized(addresses.ram(c), host.get(), log2)));
    c.unreachable();
    return c.i64.const(0);
  });
}

function defineStore(
  module: ModuleBuilder,
  options: MmuOptions,
  raise: Raise,
  resolve: ResolveFunction,
): AccessFunctions["store"] {
  const { imports, host: addresses } = options;
  const device = module.function(
    "storeDevice",
    ["i32", "i64", "i64", "i32"],
    undefined,
    (c, [state, va, value, size]) => {
      requireDevice(c, options, raise, state, va, size, Access.WRITE);
      c.if(
        c.i32.eq(size.get(), 8),
        () => c.call(imports.mmioWrite64, physical(c, state), value.get()),
        () =>
          c.call(
            imports.mmioWrite,
            physical(c, state),
            size.get(),
            c.f64.convertI64U(c.i64.and(value.get(), lowBytes(c, size))),
          ),
      );
      requireAnswer(c, options, raise, state, va, Access.WRITE);
    },
  );

  /** (host, value, length): stores the low bytes and returns what is above them. */
  const part = module.function(
    "storePart",
    [addresses.type, "i64", "i32"],
    "i64",
    (c, [host, value, length]) => {
      const ops = addresses.ops(c);
      c.loop((next) => {
        addresses.ram(c).i64.store8(host.get(), value.get());
        value.set(c.i64.shrU(value.get(), 8));
        host.set(ops.add(host.get(), 1));
        length.set(c.i32.sub(length.get(), 1));
        c.brIf(next, length.get());
      });
      return value.get();
    },
  );

  const crossing = module.function(
    "storeCrossing",
    ["i32", "i64", "i64", "i32"],
    undefined,
    (c, [state, va, value, size]) => {
      const firstLength = c.let32(bytesToPageEnd(c, va));
      const next = c.let64(c.i64.add(va.get(), c.i64.extendI32U(firstLength.get())));
      const resolved = (address: Var<"i64">, length: () => I32, access: number): Var<Int> => {
        const host = addresses.let(
          c,
          c.call(resolve, state.get(), address.get(), length(), c.i32.const(access)),
        );
        c.if(addresses.ops(c).eqz(host.get()), () => {
          c.if(c.i32.eqz(c.i32.load(state.get(), MmuState.FAULT)), () => {
            c.call(raise, state.get(), address.get(), c.i32.const(Access.WRITE), c.i32.const(0));
          });
          c.return();
        });
        return host;
      };
      // D bits must not be set for a store that does not happen, so the first page is only probed at first.
      resolved(va, () => firstLength.get(), Access.WRITE | PROBE);
      const second = resolved(next, () => c.i32.sub(size.get(), firstLength.get()), Access.WRITE);
      const first = resolved(va, () => firstLength.get(), Access.WRITE);
      value.set(c.call(part, first.get(), value.get(), firstLength.get()));
      c.drop(c.call(part, second.get(), value.get(), c.i32.sub(size.get(), firstLength.get())));
    },
  );

  return module.function(
    "store",
    ["i32", "i64", "i64", "i32"],
    undefined,
    (c, [state, va, value, sizeLog2]) => {
      c.i32.store(state.get(), 0, MmuState.FAULT);
      const size = c.let32(c.i32.shl(c.i32.const(1), sizeLog2.get()));
      c.if(c.i32.gtU(size.get(), bytesToPageEnd(c, va)), () => {
        c.call(crossing, state.get(), va.get(), value.get(), size.get());
        c.return();
      });
      const host = addresses.let(
        c,
        c.call(resolve, state.get(), va.get(), size.get(), c.i32.const(Access.WRITE)),
      );
      c.if(addresses.ops(c).eqz(host.get()), () => {
        c.if(c.i32.load(state.get(), MmuState.FAULT), () => c.return());
        c.call(device, state.get(), va.get(), value.get(), size.get());
        c.return();
      });
      bySize(c, sizeLog2, (log2) => storeSized(addresses.ram(c), host.get(), value.get(), log2));
    },
  );
}

import { Access, type HostAddresses, type MmuFunctions } from "@isomorph/mmu";
import type { FunctionRef, I32, Int, ModuleBuilder } from "@isomorph/wasm";
import { State } from "../state.ts";

/** `(state, va, sizeLog2, access) → host address`, 0 with FAULT set. */
export type AtomicHost = FunctionRef<readonly ["i32", "i64", "i32", "i32"], Int>;

/**
 * Defines the slow path of LR, SC and AMO: the access must be aligned and go to RAM. Misalignment comes before
 * page faults; devices do not take atomics (access fault).
 */
export function defineAtomicHost(
  module: ModuleBuilder,
  addresses: HostAddresses,
  mmu: MmuFunctions,
): AtomicHost {
  return module.function(
    "atomicHost",
    ["i32", "i64", "i32", "i32"],
    addresses.type,
    (code, [state, va, sizeLog2, access]) => {
      const { i32, i64 } = code;
      const ops = addresses.ops(code);
      /** Loads fault with the code, stores and AMOs with the code plus 2. */
      const fault = (loadCause: number): void => {
        const cause = code.let32(i32.add(i32.shl(i32.eq(access.get(), Access.WRITE), 1), loadCause + 1));
        i32.store(state.get(), cause.get(), State.FAULT);
        i64.store(state.get(), va.get(), State.FAULT_ADDRESS);
      };
      const mask = i32.sub(i32.shl(i32.const(1), sizeLog2.get()), 1);
      const misaligned = code.let32(i32.and(mask, i32.wrapI64(va.get())));
      code.if(misaligned.get(), () => {
        fault(4);
        code.return(ops.const(0));
      });
      const found = code.call(mmu.host, state.get(), va.get(), sizeLog2.get(), access.get());
      const host = addresses.let(code, found);
      const known = (): I32 => i32.load(state.get(), State.FAULT);
      code.if(ops.eqz(ops.or(host.get(), addresses.from32(code, known()))), () => fault(5));
      return host.get();
    },
  );
}

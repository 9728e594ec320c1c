import { Tlb } from "@isomorph/mmu";
import {
  type Code,
  type I32,
  type ModuleBuilder,
  type Signature,
  supportsTailCalls,
  type Var,
} from "@isomorph/wasm";
import { tlbEntry, tlbHit, tlbHost } from "../core/soft-tlb.ts";
import { CodeCache, State } from "../state.ts";
import type { Chain, ChainInPage } from "./semantics.ts";

type RegionSignature = Signature<readonly ["i32", "i64", "i32"], "i32">;

/**
 * Defines the functions by which one region goes on in the next without a return to the interpreter: tail calls, so
 * the stack does not grow. Where the engine has none, they store PC and return.
 */
export function defineChains(module: ModuleBuilder): { chain: Chain; chainInPage: ChainInPage } {
  const signature = module.signature(["i32", "i64", "i32"], "i32");
  const tailCalls = supportsTailCalls();
  const chainInPage = module.function(
    "chainInPage",
    ["i32", "i64", "i32", "i32"],
    "i32",
    (code, [state, delta, remaining, host]) => {
      if (tailCalls) enter(code, signature, state, host, delta, remaining);
      const pc = code.let64(code.i64.add(code.i64.extendI32U(host.get()), delta.get()));
      code.i64.store(state.get(), pc.get(), State.PC);
      return remaining.get();
    },
  );
  const chain = module.function("chain", ["i32", "i32", "i64"], "i32", (code, [state, remaining, pc]) => {
    const { i64 } = code;
    if (tailCalls) {
      const entry = code.let32(tlbEntry(code, state, pc));
      const context = (): ReturnType<typeof i64.load> => i64.load(state.get(), State.FETCH_CONTEXT);
      code.if(tlbHit(code, entry, pc, 2, Tlb.FETCH, context), () => {
        const host = code.let32(tlbHost(code, entry, pc));
        const delta = code.let64(i64.sub(pc.get(), i64.extendI32U(host.get())));
        enter(code, signature, state, host, delta, remaining);
      });
    }
    i64.store(state.get(), pc.get(), State.PC);
    return remaining.get();
  });
  return { chain, chainInPage };
}

/** Host address of the code cache entry for a host address, without the constant `CodeCache.START`. */
export function codeCacheEntry(code: Code, state: Var<"i32">, host: Var<"i32">): I32 {
  const { i32 } = code;
  return i32.add(
    i32.and(i32.shl(host.get(), 2), (CodeCache.ENTRIES - 1) * CodeCache.ENTRY_SIZE),
    state.get(),
  );
}

/** Tail-calls the translation of the code at `host` if there is one. */
function enter(
  code: Code,
  signature: RegionSignature,
  state: Var<"i32">,
  host: Var<"i32">,
  delta: Var<"i64">,
  remaining: Var<"i32">,
): void {
  const { i32 } = code;
  const entry = code.let32(codeCacheEntry(code, state, host));
  code.if(i32.eq(i32.load(entry.get(), CodeCache.START + CodeCache.TAG), host.get()), () => {
    const index = code.let32(i32.load(entry.get(), CodeCache.START + CodeCache.VALUE));
    code.if(i32.gtS(index.get(), 0), () => {
      code.returnCallIndirect(signature, [state.get(), delta.get(), remaining.get()], index.get());
    });
  });
}

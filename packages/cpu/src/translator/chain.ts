import type { HostAddresses } from "@isomorph/mmu";
import {
  type Code,
  type FunctionRef,
  type I32,
  type Int,
  type ModuleBuilder,
  type Signature,
  supportsTailCalls,
  type Values,
} from "@isomorph/wasm";
import type { AddressSpace } from "../core/address-space.ts";
import { hostFields } from "../core/host-fields.ts";
import { fetchTlbEntry, fetchTlbHit } from "../core/soft-tlb.ts";
import { State } from "../state.ts";
import { blameOf, type CodeMap, entryOf, PATIENCE_LIMIT } from "./code-map.ts";

/** `(state, remaining, returnTo, depth, pc)`: goes on at a guest address. */
export type Chain = FunctionRef<readonly ["i32", "i32", "i64", "i32", "i64"], "i32">;
export const CHAIN_PARAMS: Chain["params"] = ["i32", "i32", "i64", "i32", "i64"];

/** Parameters of a region's function; see {@link REGION_PARAMS}. */
export type RegionParams = readonly ["i32", "i64", "i32", "i64", "i32"];

/**
 * A translated region: `(state, pc, remaining, returnTo, depth) → remaining`.
 *
 * `pc` is the guest address of one of its entries. When the guest returns to the guest address `returnTo`, the function
 * returns what remains of the budget; that is how a guest's call is a call. In any other case it stores PC and returns
 * a negative number, {@link Unwind}, that goes through all callers to the interpreter. Registers are in the hart's
 * block either way. `depth` is how many calls may still be made as such, plus {@link FROM_INTERPRETER}.
 */
export const REGION_PARAMS: RegionParams = ["i32", "i64", "i32", "i64", "i32"];
export type RegionSignature = Signature<RegionParams, "i32">;

/** Results of a region that did not return to its caller, to be combined with `remaining`. */
export const Unwind: Readonly<Record<"CONTINUE" | "INTERPRET" | "REMAINING", number>> = {
  /** Go on at PC. */
  CONTINUE: 1 << 31,
  /** The instruction at PC is to be interpreted first. */
  INTERPRET: 3 << 30,
  /** Where `remaining` is. */
  REMAINING: (1 << 30) - 1,
};

/** Why an interpreter is not to look for a translation of the block at PC; 0 if it is to. */
export const Skip: Readonly<Record<"UNTRANSLATABLE" | "BAILED", number>> = {
  /** Only part of the page may be executed. */
  UNTRANSLATABLE: 1,
  /** A region left the instruction at PC to the interpreter. */
  BAILED: 2,
};

/** A `returnTo` that no guest address equals: control never returns to the interpreter as a guest's return. */
export const NO_RETURN = 1;
/** Guest calls in one another that are calls of the host: a stack of some 100 KiB. Deeper ones are jumps. */
export const MAX_DEPTH = 200;
/** Added to `depth` where an interpreter called the region: it goes on itself where there is no translation. */
export const FROM_INTERPRETER = 256;

/** The functions by which regions go on elsewhere. */
export interface ChainFunctions {
  readonly chain: Chain;
  /** `(state, remaining, returnTo, depth)`: leaves the instruction at PC to the interpreter. */
  readonly bail: FunctionRef<readonly ["i32", "i32", "i64", "i32"], "i32">;
  /**
   * `(state, remaining, returnTo, depth, pc, region)`: asks for a whole region in the place of the one that is at a host
   * address, and leaves what is at the guest address `pc` to the interpreter.
   */
  readonly ask: FunctionRef<readonly ["i32", "i32", "i64", "i32", "i64", Int], "i32">;
}
export function askParams({ type }: HostAddresses): ChainFunctions["ask"]["params"] {
  return ["i32", "i32", "i64", "i32", "i64", type];
}
export const BAIL_PARAMS: ChainFunctions["bail"]["params"] = ["i32", "i32", "i64", "i32"];

/**
 * `(state, remaining, returnTo, depth, skipLookup) → remaining`: interprets from PC on in place of a region, with the
 * same results.
 */
export type Interpret = FunctionRef<readonly ["i32", "i32", "i64", "i32", "i32"], "i32">;

/**
 * Defines the functions by which a region goes on: in a region of another page by a tail call, so the stack does not
 * grow; where there is none, in an interpreter of its own, so that its callers can still be returned to. If an
 * interpreter called it, it returns to that one.
 */
export function defineChain(
  module: ModuleBuilder,
  interpret: Interpret,
  codeMap: CodeMap,
  { flat, host: addresses }: AddressSpace,
): ChainFunctions {
  const { fetchTlb } = addresses;
  const signature = module.signature(REGION_PARAMS, "i32");
  const goOn = (code: Code, args: Values<Interpret["params"]>): I32 => {
    if (!supportsTailCalls()) return code.call(interpret, ...args);
    code.returnCall(interpret, ...args);
    return code.i32.const(0);
  };
  const chain = module.function(
    "chain",
    CHAIN_PARAMS,
    "i32",
    (code, [state, remaining, returnTo, depth, pc]) => {
      const { i32, i64 } = code;
      if (supportsTailCalls() && flat !== undefined) {
        const at = code.let64(i64.add(pc.get(), -flat.base));
        code.if(i64.ltU(at.get(), flat.size), () => {
          const offset = code.let32(i32.wrapI64(at.get()));
          // Page 0 of the memory is empty: where there is no table, there is no translation.
          const table = i32.load(i32.and(i32.shrU(offset.get(), 10), -4), codeMap.directory);
          const index = code.let32(i32.load16S(entryOf(code, table, offset.get())));
          code.if(
            i32.gtS(index.get(), 0),
            () => {
              const args = [state.get(), pc.get(), remaining.get(), returnTo.get(), depth.get()] as const;
              code.returnCallIndirect(signature, args, index.get());
            },
            undefined,
            "likely",
          );
        });
      } else if (supportsTailCalls()) {
        const entry = fetchTlbEntry(code, state, pc, addresses);
        code.if(fetchTlbHit(code, entry, pc, state, addresses), () => {
          // Page 0 of the memory is empty: where no table is known, there is no translation.
          const table = i32.load(entry.at.get(), fetchTlb.START + fetchTlb.EXTRA);
          const index = code.let32(i32.load16S(entryOf(code, table, i32.wrapI64(pc.get()))));
          code.if(
            i32.gtS(index.get(), 0),
            () => {
              const args = [state.get(), pc.get(), remaining.get(), returnTo.get(), depth.get()] as const;
              code.returnCallIndirect(signature, args, index.get());
            },
            undefined,
            "likely",
          );
        });
      }
      i64.store(state.get(), pc.get(), State.PC);
      code.if(i32.geU(depth.get(), FROM_INTERPRETER), () =>
        code.return(i32.or(remaining.get(), Unwind.CONTINUE)),
      );
      return goOn(code, [state.get(), remaining.get(), returnTo.get(), depth.get(), i32.const(0)]);
    },
  );
  const bail = module.function("bail", BAIL_PARAMS, "i32", (code, [state, remaining, returnTo, depth]) => {
    const { i32 } = code;
    code.if(i32.geU(depth.get(), FROM_INTERPRETER), () =>
      code.return(i32.or(remaining.get(), Unwind.INTERPRET)),
    );
    return goOn(code, [state.get(), remaining.get(), returnTo.get(), depth.get(), i32.const(Skip.BAILED)]);
  });
  const ask = module.function(
    "ask",
    askParams(addresses),
    "i32",
    (code, [state, remaining, returnTo, depth, pc, region]) => {
      const { i32, i64 } = code;
      const blame = code.let32(blameOf(code, codeMap, addresses.to32(code, region.get())));
      i32.store16(blame.get(), PATIENCE_LIMIT);
      i32.store16(blame.get(), codeMap.limits.seams, codeMap.seams - codeMap.blame);
      i64.store(state.get(), pc.get(), State.PC);
      i32.store(state.get(), 0, State.FAULT);
      addresses.ops(code).store(state.get(), region.get(), hostFields(addresses).BAILED_REGION);
      const from = [state.get(), remaining.get(), returnTo.get(), depth.get()] as const;
      if (!supportsTailCalls()) return code.call(bail, ...from);
      code.returnCall(bail, ...from);
      return i32.const(0);
    },
  );
  return { chain, bail, ask };
}

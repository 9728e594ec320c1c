import type { Code, FunctionRef, I32, I64, Int, Values, Var } from "@isomorph/wasm";
import type { AddressSpace } from "../core/address-space.ts";
import type { AtomicMemory } from "../core/atomic-memory.ts";
import type { HartBlock } from "../core/soft-tlb.ts";
import type { CsrFunctions } from "../csr/index.ts";
import type { FloatName } from "../isa/semantics.ts";
import type { Chain, ChainFunctions, RegionSignature } from "./chain.ts";
import type { CodeMap } from "./code-map.ts";
import type { FloatRegisters } from "./float-registers.ts";

/** What a region's function works on. */
export interface RegionVars {
  /** Host address of the region's first page. */
  readonly page: number;
  readonly state: HartBlock;
  /** Guest address of where it was entered, then of where its indirect jumps lead. */
  readonly pc: Var<"i64">;
  /** Guest virtual minus host address, of its first page. */
  readonly delta: Var<"i64">;
  readonly remaining: Var<"i32">;
  readonly returnTo: Var<"i64">;
  readonly depth: Var<"i32">;
  readonly context: Var<"i64">;
  /** Guest registers; undefined where the region does not use one. */
  readonly x: readonly (Var<"i64"> | undefined)[];
  readonly float: FloatRegisters;
  /** Where the region is left for the interpreter: {@link exitSite}. */
  readonly exitSite: Var<"i32">;
  /** Registers that have to be stored then. */
  readonly exitDirty: Var<"i32">;
}

/** Those of the CSR functions that regions call. */
export type CsrAccessFunctions = Pick<
  CsrFunctions,
  "csrLegal" | "csrRead" | "csrWrite" | "csrSet" | "csrClear"
>;

/** Functions of the core module that regions import. */
export interface RegionFunctions {
  readonly space: AddressSpace;
  readonly atomics: AtomicMemory;
  /** The `host` function of the MMU. */
  readonly host: FunctionRef<readonly ["i32", "i64", "i32", "i32"], Int>;
  readonly float: (name: FloatName) => FunctionRef;
  readonly csr: CsrAccessFunctions;
  /** The type of a region's function. */
  readonly region: RegionSignature;
  /** The place of the code map's entry for a host address, if the page has a table: one being translated does. */
  readonly entryAddress: (host: number) => number | undefined;
  readonly codeMap: CodeMap;
  readonly call: Chain;
  /** Whether regions go on in one another by tail calls. */
  readonly tailCalls: boolean;
  /** Leaves the region as `call` goes on. */
  readonly chain: (code: Code, args: Values<Chain["params"]>) => void;
  /** Leaves the instruction at PC to the interpreter. */
  readonly bail: (code: Code, args: Values<ChainFunctions["bail"]["params"]>) => void;
  /** Asks for a whole region. */
  readonly ask: (code: Code, args: Values<ChainFunctions["ask"]["params"]>) => void;
}

/** Where control goes: the structure of the region decides. */
export interface RegionFlow {
  /** Continues at a host address if the condition on the stack holds. */
  branchIf(condition: I32, target: number): void;
  goto(target: number): void;
  /** Continues at a guest address. */
  gotoPc(pc: Var<"i64">): void;
  call(target: number): void;
  callPc(pc: Var<"i64">): void;
  /** Continues at a guest address to which the callers of the region may wait for a return. */
  returnTo(pc: Var<"i64">): void;
}

/** Pushes the guest address of a host address of the region. */
export function guestAddress(code: Code, { delta }: RegionVars, { flat }: AddressSpace, host: number): I64 {
  return flat === undefined
    ? code.i64.add(delta.get(), host)
    : code.i64.const(host - flat.ramOffset + flat.base);
}

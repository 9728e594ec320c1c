import type { MachineMemory } from "@isomorph/mmu";
import {
  type Code,
  type FunctionRef,
  type ModuleBuilder,
  supportsTailCalls,
  type Values,
  type ValueType,
} from "@isomorph/wasm";
import type { AddressSpace } from "../core/address-space.ts";
import { plainMemory, sharedMemory } from "../core/atomic-memory.ts";
import { coreFloatSignatures } from "../core/core-module.ts";
import type { FloatName } from "../isa/semantics.ts";
import { askParams, BAIL_PARAMS, CHAIN_PARAMS, REGION_PARAMS } from "./chain.ts";
import type { CodeMap } from "./code-map.ts";
import type { CsrAccessFunctions, RegionFunctions } from "./region-functions.ts";

/** Imports the memory and the functions of the core module that regions use. */
export function importCore(
  module: ModuleBuilder,
  memory: MachineMemory,
  space: AddressSpace,
  usesFloat: boolean,
  entryAddress: RegionFunctions["entryAddress"],
  codeMap: CodeMap,
): RegionFunctions {
  memory.importInto(module);
  const chain = module.importFunction("core", "chain", CHAIN_PARAMS, "i32");
  const bail = module.importFunction("core", "bail", BAIL_PARAMS, "i32");
  const ask = module.importFunction("core", "ask", askParams(memory.host), "i32");
  const host = module.importFunction("core", "host", ["i32", "i64", "i32", "i32"], memory.host.type);
  const csr: CsrAccessFunctions = {
    csrLegal: module.importFunction("core", "csrLegal", ["i32", "i32", "i32"], "i32"),
    csrRead: module.importFunction("core", "csrRead", ["i32", "i32"], "i64"),
    csrWrite: module.importFunction("core", "csrWrite", ["i32", "i32", "i64"]),
    csrSet: module.importFunction("core", "csrSet", ["i32", "i32", "i64"]),
    csrClear: module.importFunction("core", "csrClear", ["i32", "i32", "i64"]),
  };
  const float = new Map<FloatName, FunctionRef>();
  if (usesFloat) {
    for (const [name, { params, result }] of coreFloatSignatures()) {
      float.set(name, module.importFunction("core", name, params, result));
    }
  }
  return {
    space,
    atomics: memory.codeHolders === undefined ? plainMemory(memory.host) : sharedMemory(memory.host),
    host,
    float: (name) => {
      const target = float.get(name);
      if (target === undefined) throw new TypeError(`${name} is not imported`);
      return target;
    },
    csr,
    region: module.signature(REGION_PARAMS, "i32"),
    entryAddress,
    codeMap,
    call: chain,
    tailCalls: supportsTailCalls(),
    chain: continueWith(chain),
    bail: continueWith(bail),
    ask: continueWith(ask),
  };
}

/** Ends a region with a call of `target`: a tail call where the engine has them. */
function continueWith<const P extends readonly ValueType[]>(
  target: FunctionRef<P, "i32">,
): (code: Code, args: Values<P>) => void {
  return supportsTailCalls()
    ? (code, args) => code.returnCall(target, ...args)
    : (code, args) => code.return(code.call(target, ...args));
}

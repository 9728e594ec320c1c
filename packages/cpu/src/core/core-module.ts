import {
  defineFlatMemory,
  defineMmu,
  type HartBlocks,
  type MachineMemories,
  type MachineMemory,
  type MmuFunctions,
} from "@isomorph/mmu";
import { type FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import { type CsrIsa, defineCsrs } from "../csr/index.ts";
import { defineFloat, type FloatFunctions } from "../float/index.ts";
import { defineInterpreter } from "../interpreter/define-interpreter.ts";
import type { FloatName } from "../isa/semantics.ts";
import { State } from "../state.ts";
import { Mailbox } from "../threads/layout.ts";
import { defineChain } from "../translator/chain.ts";
import { type CodeMap, defineTableFor } from "../translator/code-map.ts";
import { flatSpace, translatedSpace } from "./address-space.ts";
import { defineAtomicHost } from "./atomic-host.ts";
import { plainMemory, sharedMemory } from "./atomic-memory.ts";
import { defineLeave } from "./leave.ts";
import { PureFunctions } from "./pure-functions.ts";

/** A host address, or an offset in RAM, as WebAssembly has it: `HostAddresses` makes it a number. */
export type HostNumber = number | bigint;

/** What the core module of user mode calls outside. */
export interface UserCoreImports extends WebAssembly.ModuleImports, MachineMemories {
  /** Translated regions; entry 0 is empty. */
  readonly regions: WebAssembly.Table;
  readonly time: () => number;
  /** Where the core module is to say so: a page of code gets a table in the code map; it is given by an address in it. */
  readonly see: (host: HostNumber) => void;
}

/** What the core module of a machine calls outside. */
export interface CoreImports extends UserCoreImports {
  readonly mmioCovers: (gpa: number, size: number) => number;
  readonly mmioRead: (gpa: number, size: number) => number;
  readonly mmioWrite: (gpa: number, size: number, value: number) => void;
  readonly mmioRead64: (gpa: number) => bigint;
  readonly mmioWrite64: (gpa: number, value: bigint) => void;
  readonly codeWritten: (ramOffset: HostNumber, length: number) => void;
  /** Where harts are threads: the hart has mail. */
  readonly mail: (state: number) => void;
}

/** What the core module offers; `state` is the address of a hart's block. */
export interface CoreExports {
  run(state: number): void;
  csrInspect(state: number, address: number): bigint;
  csrWrite(state: number, address: number, value: bigint): void;
  updateTimer(state: number): void;
  contextsChanged(state: number): void;
  pmpChanged(state: number): void;
  flushAll(state: number): void;
  protectCode(ramOffset: HostNumber): void;
  stripCodePages(state: number): void;
  host(state: number, gva: bigint, sizeLog2: number, access: number): HostNumber;
}

/** What the harts have of what CSRs depend on. */
export const CSR_ISA: CsrIsa = { sstc: true, svadu: true };

export interface CoreOptions {
  readonly memory: MachineMemory;
  readonly harts: HartBlocks;
  readonly expansionTable: number;
  readonly codeMap: CodeMap;
  readonly translationThreshold: number;
  /** Whether {@link UserCoreImports.see} is called. */
  readonly seesPages: boolean;
  /**
   * Whether harts run in user mode only, RAM being their address space, with neither MMU nor devices, and traps leave
   * to the embedder.
   */
  readonly isFlat?: boolean;
}

/** The arithmetic functions with the names under which the core module exports them. */
function floatFunctions(float: FloatFunctions): [FloatName, FunctionRef][] {
  const { f16, f32, f64, ...conversions } = float;
  const entries = Object.entries(conversions) as [FloatName, FunctionRef][];
  for (const [format, functions] of Object.entries({ f16, f32, f64 })) {
    for (const [operation, target] of Object.entries(functions)) {
      entries.push([`${format}.${operation}` as FloatName, target as FunctionRef]);
    }
  }
  return entries;
}

let floatSignatures: ReadonlyMap<FloatName, FunctionRef> | undefined;

/** Types of the arithmetic functions that the core module exports. */
export function coreFloatSignatures(): ReadonlyMap<FloatName, FunctionRef> {
  floatSignatures ??= new Map(
    floatFunctions(defineFloat(new ModuleBuilder(), { fflagsOffset: State.FFLAGS })),
  );
  return floatSignatures;
}

/**
 * Generates the module that every hart of a machine runs on: address translation, CSRs and traps, floating point and
 * the interpreter, with the machine's layout as constants.
 */
export function coreModule(options: CoreOptions): Uint8Array<ArrayBuffer> {
  const { memory } = options;
  const holders = memory.codeHolders;
  const module = new ModuleBuilder();
  memory.importInto(module);
  const addresses = memory.host;
  module.importTable("env", "regions", { min: 1 });
  const imports = { time: module.importFunction("env", "time", [], "f64") };
  const mail = holders === undefined ? undefined : module.importFunction("env", "mail", ["i32"]);
  const see = options.seesPages ? module.importFunction("env", "see", [addresses.type]) : undefined;
  const { isFlat = false, codeMap } = options;
  const layout = { base: memory.base, size: memory.size, ramOffset: memory.ramOffset };
  const mmu = isFlat ? defineFlatMemory(module, layout) : defineMachineMmu(module, options);
  const space = isFlat ? flatSpace(layout) : translatedSpace(addresses);
  const csrs = defineCsrs(module, { mmu, imports, isa: CSR_ISA });
  const float = defineFloat(module, { fflagsOffset: State.FFLAGS });
  const atomicHost = defineAtomicHost(module, addresses, mmu);
  const pure = new PureFunctions(module);
  const atomics = holders === undefined ? plainMemory(addresses) : sharedMemory(addresses);
  const { run, interpret } = defineInterpreter(module, {
    functions: {
      space,
      mmu,
      csrs,
      leave: isFlat ? defineLeave(module) : undefined,
      float,
      pure: (target) => pure.declare(target),
      atomicHost,
      atomics,
      mail,
    },
    expansionTable: options.expansionTable,
    codeMap,
    tableFor: defineTableFor(module, codeMap, addresses, see),
    translationThreshold: options.translationThreshold,
  });
  pure.define();
  module.export("run", run);
  module.export("csrInspect", csrs.csrInspect);
  module.export("csrLegal", csrs.csrLegal);
  module.export("csrRead", csrs.csrRead);
  module.export("csrWrite", csrs.csrWrite);
  module.export("csrSet", csrs.csrSet);
  module.export("csrClear", csrs.csrClear);
  module.export("updateTimer", csrs.updateTimer);
  module.export("contextsChanged", mmu.contextsChanged);
  module.export("pmpChanged", mmu.pmpChanged);
  module.export("flushAll", mmu.flushAll);
  module.export("protectCode", mmu.protectCode);
  module.export("stripCodePages", mmu.stripCodePages);
  module.export("host", mmu.host);
  const { chain, bail, ask } = defineChain(module, interpret, codeMap, space);
  module.export("chain", chain);
  module.export("bail", bail);
  module.export("ask", ask);
  for (const [name, target] of floatFunctions(float)) module.export(name, target);
  return module.toBytes();
}

/** Defines the memory functions of a machine with its imports. */
function defineMachineMmu(module: ModuleBuilder, { memory, harts }: CoreOptions): MmuFunctions {
  const holders = memory.codeHolders;
  const imports = {
    mmioCovers: module.importFunction("env", "mmioCovers", ["f64", "i32"], "i32"),
    mmioRead: module.importFunction("env", "mmioRead", ["f64", "i32"], "f64"),
    mmioWrite: module.importFunction("env", "mmioWrite", ["f64", "i32", "f64"]),
    mmioRead64: module.importFunction("env", "mmioRead64", ["f64"], "i64"),
    mmioWrite64: module.importFunction("env", "mmioWrite64", ["f64", "i64"]),
    codeWritten: module.importFunction("env", "codeWritten", [memory.host.type, "i32"]),
  };
  return defineMmu(module, {
    ramBase: memory.base,
    ramSize: memory.size,
    host: memory.host,
    ramOffset: memory.ramOffset,
    pageFlagsOffset: memory.pageFlagsOffset,
    harts,
    imports,
    threads: holders && {
      codeHoldersOffset: holders.offset,
      unansweredOffset: Mailbox.UNANSWERED,
    },
  });
}

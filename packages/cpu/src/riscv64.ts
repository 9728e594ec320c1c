import type { MmioSize } from "@isomorph/interface";
import { MachineMemory } from "@isomorph/mmu";
import { type CoreExports, type CoreImports, coreModule } from "./core/core-module.ts";
import { CoreHart } from "./core/hart.ts";
import { EXPANSION_TABLE, TABLES_END } from "./memory-tables.ts";
import { checkThreshold } from "./options.ts";
import type { Processor, ProcessorEnvironment, ProcessorFactory } from "./processor.ts";
import { HART_STRIDE } from "./state.ts";
import { writeTables } from "./tables.ts";
import { ProcessorThreads } from "./threads/processor-threads.ts";
import { RemoteHart } from "./threads/remote-hart.ts";
import { announceCodeWrite } from "./threads/shared-code-pages.ts";
import { bytesOf, readTranslations, Translations, type TranslationsOptions } from "./translations.ts";
import { type CodeMap, codeMap, codeMapSize } from "./translator/code-map.ts";
import type { EarlierRuns } from "./translator/early-translation.ts";
import { Translator } from "./translator/translator.ts";

/** How the processor executes. */
export interface Riscv64Options extends TranslationsOptions {
  /**
   * How often a jump target is reached before its code is translated to WebAssembly. 0 only interprets.
   * @defaultValue 3000
   */
  readonly translationThreshold?: number;
}

/** How far direct jumps reach: their targets are host addresses first, which must not wrap at either end of RAM. */
const JUMP_REACH = 1 << 20;

/** What the device tree has. Zkt, a promise about time, is not among them: the README says why. */
const ISA_EXTENSIONS = [
  "i",
  "m",
  "a",
  "f",
  "d",
  "c",
  "zicbom",
  "zicboz",
  "zicntr",
  "zicond",
  "zicsr",
  "zifencei",
  "zihintntl",
  "zihintpause",
  "zimop",
  "zawrs",
  "zfa",
  "zfh",
  "zfhmin",
  "zca",
  "zcb",
  "zcd",
  "zcmop",
  "zba",
  "zbb",
  "zbc",
  "zbkb",
  "zbkc",
  "zbkx",
  "zbs",
  "zknd",
  "zkne",
  "zknh",
  "zksed",
  "zksh",
  "sstc",
  "svadu",
] as const;

/**
 * RV64GC with Zfh, Zfa, Zicsr, Zifencei, Zicntr, Zicond, Zimop, Zcb, Zcmop, Zba, Zbb, Zbs, Zbc, Zkn, Zks, Zawrs,
 * Zicbom, Zicboz, Sstc and Svadu; M-, S- and U-mode; Sv39, Sv48 and Sv57; 16 PMP entries.
 *
 * @throws RangeError or TypeError for options that cannot be. Error with code `ERR_TRANSLATIONS_FORMAT` or
 * `ERR_TRANSLATIONS_VERSION` for `translations` that no processor of this version gave.
 */
export function riscv64(options: Riscv64Options = {}): ProcessorFactory {
  return riscv64At(options, 0);
}

/** The same with RAM at host addresses from `ramStart` on, a multiple of 64 KiB. */
export function riscv64At(options: Riscv64Options, ramStart: number): ProcessorFactory {
  const { translationThreshold = 3000 } = options;
  checkThreshold(translationThreshold);
  const earlier = readTranslations(options, translationThreshold);
  return (environment) => createProcessor(environment, translationThreshold, earlier, ramStart);
}

function createProcessor(
  environment: ProcessorEnvironment,
  translationThreshold: number,
  earlier: EarlierRuns | undefined,
  ramStart: number,
): Processor {
  const { bus, clock, firmware } = environment;
  if (!Number.isInteger(environment.harts) || environment.harts < 1 || environment.harts > 8) {
    throw new RangeError(`a processor has 1 to 8 harts, not ${environment.harts}`);
  }
  const isThreaded = environment.threads === true;
  const harts = { start: TABLES_END, stride: HART_STRIDE, count: environment.harts };
  // The code map's directory is addressed from where RAM's first page would be number 0.
  const codeMapStart = Math.max(TABLES_END + harts.count * HART_STRIDE, ramStart / 1024);
  // Threads translate each for itself, and have a code map each.
  const maps = isThreaded ? harts.count : 1;
  const mapSize = codeMapSize(codeMapStart, environment.memorySize);
  const layout = {
    ramBase: environment.memoryBase,
    ramSize: environment.memorySize,
    reserved: Math.max(codeMapStart + maps * mapSize, JUMP_REACH),
    harts,
    ramStart,
    reach: JUMP_REACH,
  };
  const memory = new MachineMemory({ ...layout, shared: isThreaded });
  const { buffer } = memory.memories.memory;
  writeTables(buffer);
  const codeMaps = Array.from({ length: maps }, (_, hart) => codeMapStart + hart * mapSize);
  const allMaps = codeMaps.map((at) => codeMap(at, memory.size, memory.ramOffset, translationThreshold));
  const map = allMaps[0] as CodeMap;
  const translations = earlier && new Translations(earlier, allMaps, memory);
  const regions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const imports: CoreImports = {
    ...memory.memories,
    regions,
    mmioCovers: (gpa, size) => (bus.covers(gpa, size as MmioSize) ? 1 : 0),
    mmioRead: (gpa, size) => bus.read(gpa, size as MmioSize),
    mmioWrite: (gpa, size, value) => bus.write(gpa, size as MmioSize, value),
    mmioRead64: (gpa) => bus.read64(gpa),
    mmioWrite64: (gpa, value) => bus.write64(gpa, BigInt.asUintN(64, value)),
    codeWritten: (ramOffset, length) => translator.codeWritten(memory.host.toNumber(ramOffset), length),
    time: () => clock.now(),
    see: (host) => translator.see(memory.host.toNumber(host)),
    mail() {},
  };
  const coreOptions = {
    memory,
    harts,
    expansionTable: EXPANSION_TABLE,
    codeMap: map,
    translationThreshold,
    seesPages: translations !== undefined,
  };
  const module = new WebAssembly.Module(coreModule(coreOptions));
  const instance = new WebAssembly.Instance(module, { env: imports });
  const core = instance.exports as unknown as CoreExports;
  const translator = new Translator({
    memory,
    codeMap: map,
    harts,
    regions,
    core,
    expansionTable: EXPANSION_TABLE,
    early: translations?.early,
  });
  const threads = isThreaded
    ? new ProcessorThreads(
        {
          memories: memory.memories,
          layout,
          blocks: harts,
          expansionTable: EXPANSION_TABLE,
          codeMaps,
          translationThreshold,
          translations: translations?.share,
          firmware,
        },
        bus,
      )
    : undefined;
  const { codeHolders } = memory;
  memory.onCodeWritten =
    threads === undefined || codeHolders === undefined
      ? (ramOffset, length) => translator.codeWritten(ramOffset, length)
      : (ramOffset, length) => announceCodeWrite(codeHolders, threads.channels, ramOffset, length);
  const all = Array.from({ length: harts.count }, (_, id) => {
    const state = harts.start + id * harts.stride;
    const environment = { id, state, memory, firmware, core, translator };
    const channel = threads?.channels[id];
    return channel === undefined ? new CoreHart(environment) : new RemoteHart(environment, channel);
  });
  for (const hart of all) hart.reset({ pc: environment.memoryBase, a0: hart.id, a1: 0 });
  return {
    memory,
    harts: all,
    devicetree: {
      isa: `rv64${ISA_EXTENSIONS.map((name) => (name.length === 1 ? name : `_${name}`)).join("")}`,
      isaExtensions: firmware === "vmm" ? ISA_EXTENSIONS : ISA_EXTENSIONS.filter((name) => name !== "svadu"),
      mmuType: "riscv,sv57",
      cacheBlockSize: 64,
    },
    counters: () => ({
      instructions: all.reduce((sum, hart) => sum + hart.instructionsRetired, 0),
      ...(threads?.counters({ ...(all[0] as CoreHart).counters(), ...translator.counters() }) ?? {
        ...sumOf(all.map((hart) => hart.counters())),
        ...translator.counters(),
      }),
    }),
    translations: () => bytesOf(translations),
    threads,
    close: () => translator.close(),
  };
}

/** Adds up counters of the same names. */
function sumOf(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

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
import { bytesOf, readTranslations, Translations } from "./translations.ts";
import { type CodeMap, codeMap, codeMapSize } from "./translator/code-map.ts";
import type { KnownCode } from "./translator/known-code.ts";
import { Translator } from "./translator/translator.ts";

/** How the processor executes. */
export interface Riscv64Options {
  /**
   * How often a jump target is reached before its code is translated to WebAssembly. 0 only interprets.
   * @defaultValue 2000
   */
  readonly translationThreshold?: number;
  /**
   * What {@link Processor.translations} gave of an earlier run: code that is in it is translated when it is reached a few
   * times. Of no bytes, the processor only learns it. Whatever is in it changes nothing but when code is translated.
   */
  readonly translations?: Uint8Array | undefined;
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
  const { translationThreshold = 2000 } = options;
  checkThreshold(translationThreshold);
  const known = readTranslations(options.translations);
  return (environment) => createProcessor(environment, translationThreshold, known);
}

function createProcessor(
  environment: ProcessorEnvironment,
  translationThreshold: number,
  known: KnownCode | undefined,
): Processor {
  const { bus, clock, firmware } = environment;
  if (!Number.isInteger(environment.harts) || environment.harts < 1 || environment.harts > 8) {
    throw new RangeError(`a processor has 1 to 8 harts, not ${environment.harts}`);
  }
  const isThreaded = environment.threads === true;
  const harts = { start: TABLES_END, stride: HART_STRIDE, count: environment.harts };
  const codeMapStart = TABLES_END + harts.count * HART_STRIDE;
  // Threads translate each for itself, and have a code map each.
  const maps = isThreaded ? harts.count : 1;
  const mapSize = codeMapSize(codeMapStart, environment.memorySize);
  const layout = {
    ramBase: environment.memoryBase,
    ramSize: environment.memorySize,
    reserved: Math.max(codeMapStart + maps * mapSize, JUMP_REACH),
    harts,
  };
  const memory = new MachineMemory({ ...layout, shared: isThreaded });
  const largest = 2 ** 32 - JUMP_REACH - memory.ramOffset;
  if (memory.size > largest) {
    throw new RangeError(`memorySize ${memory.size} is too large: at most ${largest} bytes`);
  }
  const { buffer } = memory.memory;
  writeTables(buffer);
  const codeMaps = Array.from({ length: maps }, (_, hart) => codeMapStart + hart * mapSize);
  const allMaps = codeMaps.map((at) => codeMap(at, memory.size, memory.ramOffset, translationThreshold));
  const map = allMaps[0] as CodeMap;
  const translations = known && new Translations(known, allMaps, memory.memory);
  const regions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const imports: CoreImports = {
    memory: memory.memory,
    regions,
    mmioCovers: (gpa, size) => (bus.covers(gpa, size as MmioSize) ? 1 : 0),
    mmioRead: (gpa, size) => bus.read(gpa, size as MmioSize),
    mmioWrite: (gpa, size, value) => bus.write(gpa, size as MmioSize, value),
    mmioRead64: (gpa) => bus.read64(gpa),
    mmioWrite64: (gpa, value) => bus.write64(gpa, BigInt.asUintN(64, value)),
    // WebAssembly hands over the upper half of 32-bit addresses as negative numbers.
    codeWritten: (ramOffset, length) => translator.codeWritten(ramOffset >>> 0, length),
    time: () => clock.now(),
    see: (host) => translator.see(host >>> 0),
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
    early: translations?.early(translationThreshold),
  });
  const threads = isThreaded
    ? new ProcessorThreads(
        {
          memory: memory.memory,
          layout,
          blocks: harts,
          expansionTable: EXPANSION_TABLE,
          codeMaps,
          translationThreshold,
          translations: translations && { known: translations.knownBytes, logs: translations.logs },
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
  const toGpa = (host: number): number | undefined => {
    const gpa = (host >>> 0) - memory.ramOffset + memory.base;
    return memory.contains(gpa, 1) ? gpa : undefined;
  };
  const all = Array.from({ length: harts.count }, (_, id) => {
    const state = harts.start + id * harts.stride;
    const environment = { id, state, buffer, toGpa, firmware, core, translator };
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

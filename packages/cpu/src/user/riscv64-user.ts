import { MachineMemory } from "@isomorph/mmu";
import { flatSpace } from "../core/address-space.ts";
import { type CoreExports, coreModule, type UserCoreImports } from "../core/core-module.ts";
import { EXPANSION_TABLE, TABLES_END } from "../memory-tables.ts";
import { checkThreshold } from "../options.ts";
import { HART_STRIDE } from "../state.ts";
import { writeTables } from "../tables.ts";
import { bytesOf, readTranslations, Translations } from "../translations.ts";
import { codeMap, codeMapSize } from "../translator/code-map.ts";
import { Translator } from "../translator/translator.ts";
import { CoreUserHart } from "./user-hart.ts";
import type { UserOptions, UserProcessor } from "./user-processor.ts";

/**
 * A processor for programs rather than systems: harts in U-mode with the unprivileged part of what `riscv64` has, whose
 * addresses are those of memory but for a constant. There are no page tables, no devices and no interrupts; whatever
 * traps makes `run` return. Stores to code become visible to fetches at `fence.i` or later (Zifencei).
 *
 * @throws RangeError or TypeError for options that cannot be. Error with code `ERR_TRANSLATIONS_FORMAT` or
 * `ERR_TRANSLATIONS_VERSION` for `translations` that no processor of this version gave. Error with code `ERR_MEMORY_ALLOCATION` when the host does not give
 * that much memory.
 */
export function riscv64User(options: UserOptions): UserProcessor {
  const { memoryBase, memorySize, clock, harts: count = 1, translationThreshold = 500 } = options;
  checkThreshold(translationThreshold);
  const earlier = readTranslations(options, translationThreshold);
  if (!Number.isInteger(count) || count < 1 || count > 8) {
    throw new RangeError(`a processor has 1 to 8 harts, not ${count}`);
  }
  const harts = { start: TABLES_END, stride: HART_STRIDE, count };
  const codeMapStart = TABLES_END + count * HART_STRIDE;
  const reserved = codeMapStart + codeMapSize(codeMapStart, memorySize);
  const memory = new MachineMemory({
    ramBase: memoryBase,
    ramSize: memorySize,
    reserved,
    harts,
    isNarrow: true,
  });
  const { buffer } = memory.memories.memory;
  writeTables(buffer);
  const map = codeMap(codeMapStart, memory.size, memory.ramOffset, translationThreshold);
  const translations = earlier && new Translations(earlier, [map], memory);
  const space = flatSpace({ base: memory.base, size: memory.size, ramOffset: memory.ramOffset });
  const regions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const imports: UserCoreImports = {
    ...memory.memories,
    regions,
    time: () => clock.now(),
    see: (host) => translator.see(memory.host.toNumber(host)),
  };
  const expansionTable = EXPANSION_TABLE;
  const bytes = coreModule({
    memory,
    harts,
    expansionTable,
    codeMap: map,
    translationThreshold,
    seesPages: translations !== undefined,
    isFlat: true,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports });
  const core = instance.exports as unknown as CoreExports;
  const early = translations?.early;
  const translator = new Translator({
    memory,
    codeMap: map,
    harts,
    regions,
    core,
    expansionTable,
    space,
    early,
  });
  memory.onCodeWritten = (ramOffset, length) => translator.codeWritten(ramOffset, length);
  const all = Array.from({ length: count }, (_, id) => {
    return new CoreUserHart({ id, state: harts.start + id * harts.stride, memory, core, translator });
  });
  return {
    memory,
    harts: all,
    counters() {
      const sum: Record<string, number> = { instructions: 0 };
      for (const hart of all) {
        sum.instructions = (sum.instructions as number) + hart.instructionsRetired;
        for (const [name, value] of Object.entries(hart.counters())) sum[name] = (sum[name] ?? 0) + value;
      }
      return { ...sum, ...translator.counters() };
    },
    translations: () => bytesOf(translations),
    close: () => translator.close(),
  };
}

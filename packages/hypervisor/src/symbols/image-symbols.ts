import type { ImagePlan } from "../loader/image-plan.ts";
import { bytesSource } from "./byte-source.ts";
import { isElf } from "./elf.ts";
import { kallsyms } from "./kallsyms.ts";
import { readSymbols } from "./read-symbols.ts";
import { SymbolTable } from "./symbol-table.ts";

/** The symbols that an image brings along, if any. @param plan - What the loader made of it, decompressed. */
export function imageSymbols(
  image: Uint8Array | undefined,
  plan: ImagePlan | undefined,
): readonly SymbolTable[] {
  if (image === undefined || plan === undefined) return [];
  try {
    if (isElf(bytesSource(image))) return [readSymbols(image)];
  } catch {
    // It boots all the same: the loader needs less of an ELF file.
    return [];
  }
  for (const { bytes } of plan.segments) {
    const symbols = kallsyms(bytes);
    if (symbols !== undefined) return [new SymbolTable(symbols)];
  }
  return [];
}

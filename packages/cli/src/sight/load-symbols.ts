import { readSymbols, type SymbolTable } from "@isomorph/hypervisor/symbols";
import { CommandError } from "../command/failure.ts";
import type { SymbolsSpec } from "../command/values.ts";
import { openFileSource } from "./file-source.ts";

/** Reads the names that `--symbols` points to. */
export function loadSymbols({ path, base }: SymbolsSpec): SymbolTable {
  const source = openFileSource(path, `--symbols ${path}`);
  try {
    const symbols = readSymbols(source);
    if (symbols.size === 0) {
      const reasons = "stripped, or without CONFIG_KALLSYMS, or kallsyms that show no addresses";
      throw new CommandError(`--symbols ${path}: has no symbols of code (${reasons})`);
    }
    return base === 0n ? symbols : symbols.moved(base);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_SYMBOLS_FORMAT") throw error;
    throw new CommandError(`--symbols ${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    source.close();
  }
}

import { open, writeFile } from "node:fs/promises";
import type { Profiler, Vm } from "@isomorph/hypervisor";
import type { SymbolTable } from "@isomorph/hypervisor/symbols";
import { CommandError, UsageError } from "../command/failure.ts";
import type { SymbolsSpec } from "../command/values.ts";
import { hostReason } from "../machine/files.ts";
import { loadSymbols } from "./load-symbols.ts";
import { countersTable, topTable } from "./tables.ts";

/** The options that ask for sight into a machine. */
export interface SightOptions {
  readonly profile?: string | undefined;
  readonly symbols: readonly SymbolsSpec[];
  /** True for a table, else the file. */
  readonly counters?: string | true | undefined;
  readonly threads?: boolean | undefined;
}

/** Watches a machine and tells at its end. */
export interface Sight {
  begin(vm: Vm): void;
  end(vm: Vm): Promise<void>;
}

/** Opens what the options ask for, before the machine runs: what cannot be read or written fails now. */
export async function openSight(options: SightOptions): Promise<Sight | undefined> {
  const { profile, counters, symbols } = options;
  if (symbols.length > 0 && profile === undefined) {
    throw new UsageError("--symbols names what a profile shows: it needs --profile FILE");
  }
  if (profile !== undefined && options.threads === true) {
    throw new UsageError("--profile looks at processors that take turns: leave out --threads");
  }
  if (profile === undefined && counters === undefined) return undefined;
  const tables = symbols.map(loadSymbols);
  if (profile !== undefined) await checkWritable("--profile", profile);
  if (typeof counters === "string") await checkWritable("--counters", counters);
  return new MachineSight(options, tables);
}

class MachineSight implements Sight {
  readonly #options: SightOptions;
  readonly #symbols: readonly SymbolTable[];
  #profiler: Profiler | undefined;

  constructor(options: SightOptions, symbols: readonly SymbolTable[]) {
    this.#options = options;
    this.#symbols = symbols;
  }

  begin(vm: Vm): void {
    if (this.#options.profile !== undefined) this.#profiler = vm.profile({ symbols: this.#symbols });
  }

  async end(vm: Vm): Promise<void> {
    const { profile: path, counters } = this.#options;
    if (this.#profiler !== undefined && path !== undefined) {
      const profile = this.#profiler.stop();
      const isFolded = /\.(folded|txt)$/i.test(path);
      await write("--profile", path, isFolded ? profile.folded() : JSON.stringify(profile.cpuprofile()));
      process.stderr.write(topTable(profile, path));
    }
    if (counters === true) process.stderr.write(countersTable(vm.counters()));
    else if (counters !== undefined) {
      await write("--counters", counters, `${JSON.stringify(vm.counters(), undefined, 2)}\n`);
    }
  }
}

async function checkWritable(option: string, path: string): Promise<void> {
  try {
    await (await open(path, "a")).close();
  } catch (error) {
    throw new CommandError(`${option} ${path}: ${hostReason(error)}`, { cause: error });
  }
}

async function write(option: string, path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((error: unknown) => {
    throw new CommandError(`${option} ${path}: ${hostReason(error)}`, { cause: error });
  });
}

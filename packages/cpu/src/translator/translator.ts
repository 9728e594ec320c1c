import { type HartBlocks, type MachineMemory, pageNumber } from "@isomorph/mmu";
import { Code, ModuleBuilder } from "@isomorph/wasm";
import { type AddressSpace, translatedSpace } from "../core/address-space.ts";
import type { CoreExports } from "../core/core-module.ts";
import { REGION_PARAMS } from "./chain.ts";
import { type CodeMap, CodeMapView } from "./code-map.ts";
import { type CodePages, flatCodePages, localCodePages } from "./code-pages.ts";
import { type CodeReader, codeReader, PAGE_SIZE } from "./code-reader.ts";
import { DataPages } from "./data-pages.ts";
import { discoverRegion } from "./discover-region.ts";
import { EarlyTranslation, type EarlyTranslationOptions } from "./early-translation.ts";
import { emitRegion } from "./emit-region.ts";
import { importCore } from "./import-core.ts";
import { RegionKind } from "./known-code.ts";
import type { Region } from "./region.ts";
import type { RegionFunctions } from "./region-functions.ts";
import { rangesOf, shapeOf, type Translation } from "./translation.ts";

export interface TranslatorOptions {
  readonly memory: MachineMemory;
  readonly codeMap: CodeMap;
  readonly harts: HartBlocks;
  /** Table of translated regions, imported by the core module; entry 0 stays empty. */
  readonly regions: WebAssembly.Table;
  readonly core: CoreExports;
  readonly expansionTable: number;
  /** How accesses find memory; through the TLB if it is not given. */
  readonly space?: AddressSpace;
  /** Where the harts in {@link harts} are not all that there are: how stores of the others are heard of. */
  readonly codePages?: CodePages;
  /** Where some code is known to be worth it. */
  readonly early?: EarlyTranslationOptions | undefined;
}

/** Hot blocks that are compiled together at once: a module costs as much as some ten functions in it. */
const BATCH = 24;
/** Calls of {@link Translator.flush} that fewer blocks wait for company. */
const PATIENCE = 3;
/** Regions at once; above it all are dropped and the hot ones come back. */
const MAX_REGIONS = 16384;
/** Translations of a region as a whole: more of what it might have in it may become hot later. */
const MAX_TIMES_WHOLE = 4;
/** Guest instructions in them, as regions may overlap: what bounds the memory that their code takes of the host. */
const MAX_INSTRUCTIONS = 1 << 20;

/** What all modules of regions begin with. */
interface Imported {
  readonly module: ModuleBuilder;
  readonly functions: RegionFunctions;
}

/** Makes, installs and drops the translations of guest code. */
export class Translator {
  readonly #options: TranslatorOptions;
  readonly #map: CodeMapView;
  readonly #reader: CodeReader;
  readonly #codePages: CodePages;
  readonly #space: AddressSpace;
  readonly #code = new Code();
  /** What modules begin with, without and with floating point. */
  readonly #imported: Imported[] = [];
  /** Translations by page number of the host address. */
  readonly #pages = new Map<number, Set<Translation>>();
  readonly #translations = new Set<Translation>();
  readonly #byEntry = new Map<number, Translation>();
  /** Those that dispatch, by page number of the host address: a page has one. */
  readonly #dispatching = new Map<number, Translation>();
  readonly #dataPages = new DataPages();
  /** Entries of regions that are to have in them what others have too, and how often that was asked for. */
  readonly #whole = new Map<number, number>();
  /** Entries of regions that are to do accesses themselves that miss the TLB. */
  readonly #patient = new Set<number>();
  readonly #early: EarlyTranslation | undefined;
  readonly #free: number[] = [];
  /** Entries of the regions that are being translated, and the pages of those that dispatch. */
  readonly #batch = new Set<number>();
  readonly #dispatchingBatch = new Set<number>();
  /** What was asked for: second pages by entry. */
  readonly #pending = new Map<number, number | undefined>();
  /** Calls of {@link flush} since the oldest of {@link #pending} was asked for. */
  #waited = 0;
  /** Guest instructions in all translations. */
  #instructions = 0;
  #counters = {
    regions: 0,
    regionsTranslated: 0,
    regionsDropped: 0,
    instructionsTranslated: 0,
    modules: 0,
    moduleBytes: 0,
    /** Of this thread: discovery, emission and compilation. */
    translationMilliseconds: 0,
  };

  constructor(options: TranslatorOptions) {
    this.#options = options;
    const { codePages, memory, space = translatedSpace(memory.host) } = options;
    this.#space = space;
    this.#map = new CodeMapView(options.codeMap, options.harts, memory, (host) => this.see(host));
    const { early } = options;
    this.#early = early && new EarlyTranslation(early, this.#map, memory);
    const reader = codeReader(
      memory,
      options.expansionTable,
      (host) => this.#map.isTranslated(host) || this.#batch.has(host),
    );
    const isFlat = space.flat !== undefined;
    this.#codePages =
      codePages ?? (isFlat ? flatCodePages(options.memory) : localCodePages(options.memory, options.core));
    this.#reader =
      codePages === undefined
        ? reader
        : {
            ...reader,
            parcel: (host) => {
              codePages.read(pageNumber(host));
              return reader.parcel(host);
            },
          };
  }

  /** Control gets to the page of a host address, or will. */
  see(host: number): void {
    this.#early?.see(host);
  }

  /**
   * Asks for the translation of the code at a host address; if the address is odd, for a whole one or a patient one,
   * whichever count of the region says so; for more room in the code map if it is 0. It is made when a batch is full or
   * has waited long enough.
   *
   * @param secondPage - Host address of the page that follows for the guest, if that is known.
   */
  translate(request: number, secondPage: number | undefined): void {
    if (request === 0) {
      this.#startOver();
      return;
    }
    // Not by bits: host addresses go beyond 2^32.
    const host = request - (request & 1);
    if (request !== host) {
      const isSeams = this.#map.takeSeams(host);
      // What there is goes on, and asks again, until it is replaced.
      const isNew = isSeams && !(this.#pending.has(host) && this.#whole.has(host));
      const times = (this.#whole.get(host) ?? 0) + (isNew ? 1 : 0);
      if (isSeams ? times > MAX_TIMES_WHOLE : this.#patient.has(host)) return;
      const translation = this.#byEntry.get(host);
      if (translation?.entries[0] !== host) return;
      if (isSeams) this.#whole.set(host, times);
      else this.#patient.add(host);
      this.#ask(host, translation.secondPage);
      return;
    }
    const known = this.#byEntry.get(host);
    if (known !== undefined) {
      this.#publish(known);
      return;
    }
    this.see(host);
    this.#ask(host, secondPage);
  }

  #ask(host: number, secondPage: number | undefined): void {
    this.#pending.set(host, secondPage);
    if (this.#pending.size >= BATCH) this.#translatePending();
  }

  /** To be called now and then while the guest runs: translates what has waited. */
  flush(): void {
    this.#early?.lookAtWritten();
    if (this.#pending.size > 0 && ++this.#waited >= PATIENCE) this.#translatePending();
  }

  /** Whether something waits for {@link flush}. */
  get isWaiting(): boolean {
    return this.#pending.size > 0;
  }

  #translatePending(): void {
    const begin = performance.now();
    this.#discoverAndInstall();
    this.#counters.translationMilliseconds += performance.now() - begin;
  }

  #discoverAndInstall(): void {
    this.#waited = 0;
    const pending = [...this.#pending];
    this.#pending.clear();
    if (this.#translations.size + pending.length > MAX_REGIONS || this.#instructions > MAX_INSTRUCTIONS) {
      this.#dropAll();
    }
    const regions = new Map<number, Region>();
    try {
      for (const [entry, next] of pending) {
        const region = this.#discover(entry, next);
        if (region === undefined) continue;
        for (const address of region.entries) {
          if (regions.delete(address)) this.#forgetKinds(address);
          this.#batch.add(address);
        }
        regions.set(entry, region);
      }
      if (regions.size > 0) this.#install([...regions.values()]);
    } finally {
      this.#batch.clear();
      this.#dispatchingBatch.clear();
    }
  }

  /** The region to be translated for an entry, in the place of what there is; undefined if it is not to be. */
  #discover(entry: number, next: number | undefined): Region | undefined {
    const page = pageNumber(entry);
    const old = this.#byEntry.get(entry);
    if (this.#batch.has(entry) || (old !== undefined && old.entries[0] !== entry)) return undefined;
    if (this.#isData(page)) {
      if (old !== undefined) return undefined;
      // It counts anew.
      this.#map.set(entry, 0);
      this.#forgetKinds(entry);
      return undefined;
    }
    const following = this.#space.flat === undefined ? next : this.#followingPage(entry);
    const secondPage = following === undefined || this.#isData(pageNumber(following)) ? undefined : following;
    const kinds = this.#early?.kindsOf(entry) ?? 0;
    if (kinds & RegionKind.WHOLE) this.#whole.set(entry, this.#whole.get(entry) ?? 1);
    if (kinds & RegionKind.PATIENT) this.#patient.add(entry);
    const region = this.#discoverOnce(entry, secondPage);
    const { second: last } = region?.pages ?? {};
    if (
      region === undefined ||
      !this.#map.ensureTable(entry) ||
      (last !== undefined && !this.#map.ensureTable(last))
    ) {
      this.#forgetKinds(entry);
      return undefined;
    }
    const isDispatching = region.entries.length > 1;
    if (isDispatching && this.#dispatchingBatch.has(page)) {
      this.#pending.set(entry, next);
      return undefined;
    }
    if (old?.shape === shapeOf(region, this.#patient.has(entry))) return undefined;
    if (isDispatching) this.#dispatchingBatch.add(page);
    this.#makeRoom(region);
    return region;
  }

  /** A page has one region that dispatches: what is asked for anew has in it what that has. */
  #discoverOnce(entry: number, secondPage: number | undefined): Region | undefined {
    const isWhole = this.#whole.has(entry);
    const other = this.#dispatching.get(pageNumber(entry));
    const options = { secondPage: secondPage ?? other?.secondPage, isWhole, map: this.#map };
    const region = discoverRegion(this.#reader, entry, { ...options, dispatched: other?.entries ?? [] });
    if (
      other === undefined ||
      other.entries[0] === entry ||
      region === undefined ||
      region.entries.length === 1
    ) {
      return region;
    }
    const times = (this.#whole.get(other.entries[0]) ?? 0) + 1;
    if (times > MAX_TIMES_WHOLE) {
      return discoverRegion(this.#reader, entry, { ...options, dispatched: undefined });
    }
    this.#whole.set(entry, Math.max(times, this.#whole.get(entry) ?? 0));
    return region;
  }

  /** Forgets how the region of an entry was to be translated. */
  #forgetKinds(entry: number): void {
    this.#whole.delete(entry);
    this.#patient.delete(entry);
  }

  /** Drops what a region takes the place of. */
  #makeRoom({ entries }: Region): void {
    const [entry] = entries;
    const times = this.#whole.get(entry);
    let isPatient = this.#patient.has(entry);
    const others = entries.map((address) => this.#byEntry.get(address));
    if (entries.length > 1) others.push(this.#dispatching.get(pageNumber(entry)));
    for (const old of new Set(others)) {
      if (old === undefined) continue;
      isPatient ||= old.entries.length > 1 && this.#patient.has(old.entries[0]);
      this.#remove(old);
    }
    if (times !== undefined) this.#whole.set(entry, times);
    if (isPatient) this.#patient.add(entry);
  }

  /** Host address of the page after that of a host address, in a flat address space. */
  #followingPage(host: number): number | undefined {
    const next = host - (host & (PAGE_SIZE - 1)) + PAGE_SIZE;
    return this.#isRam(next) ? next : undefined;
  }

  #isRam(host: number): boolean {
    const { ramOffset, size } = this.#options.memory;
    return host >= ramOffset && host < ramOffset + size;
  }

  #isData(page: number): boolean {
    return this.#dataPages.refuses(page) || this.#codePages.isData(page);
  }

  #install(regions: readonly Region[]): void {
    const { memory, regions: table, core } = this.#options;
    const imported = this.#import(regions.some(({ usesFloat }) => usesFloat));
    const module = new ModuleBuilder(imported.module);
    const { count, start } = this.#options.harts;
    const hart = count === 1 ? start : undefined;
    const installed: Translation[] = [];
    for (const region of regions) {
      const target = module.declare("", REGION_PARAMS, "i32");
      const isPatient = this.#patient.has(region.entries[0]);
      emitRegion(this.#code, region, imported.functions, isPatient, hart);
      module.defineFrom(target, this.#code);
      const index = this.#free.pop() ?? table.grow(1);
      module.element(index, [target]);
      const instructions = region.blocks.reduce((n, b) => n + b.instructions.length, 0);
      const ranges = rangesOf(region);
      const source = this.#space.flat === undefined ? [] : ranges.map((range) => this.#bytes(range).slice());
      installed.push({
        index,
        entries: region.entries,
        shape: shapeOf(region, isPatient),
        ranges,
        source,
        secondPage: region.pages.second,
        instructions,
      });
    }
    const bytes = module.toBytes();
    const imports = {
      env: { ...memory.memories, regions: table },
      core: core as unknown as WebAssembly.ModuleImports,
    };
    new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    this.#counters.modules++;
    this.#counters.moduleBytes += bytes.length;
    for (const translation of installed) this.#register(translation);
  }

  /** What modules begin with. */
  #import(usesFloat: boolean): Imported {
    const known = this.#imported[usesFloat ? 1 : 0];
    if (known !== undefined) return known;
    const module = new ModuleBuilder();
    const { memory, codeMap } = this.#options;
    const entryAddress = (host: number): number | undefined => this.#entryAddress(host);
    const functions = importCore(module, memory, this.#space, usesFloat, entryAddress, codeMap);
    module.importTable("env", "regions", { min: 1 });
    const imported = { module, functions };
    this.#imported[usesFloat ? 1 : 0] = imported;
    return imported;
  }

  /** Where regions find the translation at a host address. */
  #entryAddress(host: number): number | undefined {
    const isFlat = this.#space.flat !== undefined;
    if (isFlat && !(this.#isRam(host) && this.#map.ensureTable(host))) return undefined;
    return this.#map.entryAddress(host);
  }

  /** The code in a range of host addresses. */
  #bytes({ start, end }: { readonly start: number; readonly end: number }): Uint8Array {
    return new Uint8Array(this.#options.memory.memories.ram.buffer, start, end - start);
  }

  #register(translation: Translation): void {
    for (const { start } of translation.ranges) {
      const page = pageNumber(start);
      const others = this.#pages.get(page);
      if (others === undefined) {
        this.#pages.set(page, new Set([translation]));
        this.#codePages.protect(page);
      } else {
        others.add(translation);
      }
    }
    const { entries } = translation;
    const [entry] = entries;
    this.#translations.add(translation);
    for (const address of entries) this.#byEntry.set(address, translation);
    if (entries.length > 1) this.#dispatching.set(pageNumber(entry), translation);
    this.#instructions += translation.instructions;
    this.#counters.instructionsTranslated += translation.instructions;
    this.#counters.regionsTranslated++;
    this.#counters.regions++;
    const whole = this.#whole.has(entry) ? RegionKind.WHOLE : 0;
    const patient = this.#patient.has(entry) ? RegionKind.PATIENT : 0;
    this.#early?.note(entry, whole | patient);
    this.#publish(translation);
  }

  #publish({ entries, index }: Translation): void {
    for (const entry of entries) this.#map.set(entry, index);
  }

  /** Someone is about to write, or has written, RAM that shares a page with translated code. */
  codeWritten(ramOffset: number, length: number): void {
    const { memory } = this.#options;
    const first = memory.ramOffset + ramOffset;
    const last = first + length;
    const lastPage = pageNumber(last - 1);
    for (let page = pageNumber(first); page <= lastPage; page++) this.#writtenPage(page, first, last);
  }

  #writtenPage(page: number, first: number, last: number): void {
    const translations = this.#pages.get(page);
    if (translations === undefined) {
      this.#codePages.release(page);
      return;
    }
    if (
      ![...translations].some(({ ranges }) => ranges.some(({ start, end }) => start < last && end > first))
    ) {
      // Where only the embedder's writes are seen, they cost little, whatever their number.
      if (this.#space.flat !== undefined || !this.#dataPages.missed(page)) return;
    }
    for (const translation of [...translations]) this.#remove(translation);
    this.#early?.pageWritten(page);
    this.#pages.delete(page);
    this.#codePages.release(page);
  }

  /** Drops the translations of code that is not what it was: stores are not noticed in a flat address space. */
  dropChanged(): void {
    for (const translation of [...this.#translations]) {
      const { ranges, source } = translation;
      const isSame = ranges.every((range, index) =>
        areEqual(this.#bytes(range), source[index] as Uint8Array),
      );
      if (!isSame) this.#remove(translation);
    }
  }

  /** Drops a translation; its pages stay known as pages of code. */
  #remove(translation: Translation): void {
    for (const { start } of translation.ranges) this.#pages.get(pageNumber(start))?.delete(translation);
    this.#drop(translation);
  }

  #drop(translation: Translation): void {
    const { entries, index } = translation;
    const [entry] = entries;
    for (const address of entries) {
      this.#map.set(address, 0);
      this.#byEntry.delete(address);
    }
    const page = pageNumber(entry);
    if (this.#dispatching.get(page) === translation) this.#dispatching.delete(page);
    this.#translations.delete(translation);
    if (!this.#pending.has(entry)) this.#forgetKinds(entry);
    this.#instructions -= translation.instructions;
    this.#options.regions.set(index, null);
    this.#free.push(index);
    this.#counters.regionsDropped++;
    this.#counters.regions--;
  }

  #dropAll(): void {
    for (const translation of [...this.#translations]) this.#drop(translation);
    for (const page of this.#pages.keys()) this.#codePages.release(page);
    this.#pages.clear();
    this.#dataPages.clear();
    this.#patient.clear();
    this.#whole.clear();
  }

  /** Forgets all translations and counts. */
  #startOver(): void {
    this.#pending.clear();
    this.#dropAll();
    this.#early?.clear();
    this.#map.clear();
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters;
  }

  close(): void {
    this.#pending.clear();
    this.#dropAll();
  }
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

import type { HartBlocks, MachineMemory } from "@isomorph/mmu";
import {
  Code,
  type FunctionRef,
  ModuleBuilder,
  supportsTailCalls,
  type Values,
  type ValueType,
} from "@isomorph/wasm";
import { type AddressSpace, translatedSpace } from "../core/address-space.ts";
import { plainMemory, sharedMemory } from "../core/atomic-memory.ts";
import { type CoreExports, coreFloatSignatures, memoryLimits } from "../core/core-module.ts";
import type { FloatName } from "../isa/semantics.ts";
import { ASK_PARAMS, BAIL_PARAMS, CHAIN_PARAMS, REGION_PARAMS } from "./chain.ts";
import { type CodeMap, CodeMapView } from "./code-map.ts";
import { type CodePages, flatCodePages, localCodePages } from "./code-pages.ts";
import { type CodeReader, codeReader } from "./code-reader.ts";
import { DataPages } from "./data-pages.ts";
import { discoverRegion } from "./discover-region.ts";
import { EarlyTranslation, type EarlyTranslationOptions } from "./early-translation.ts";
import { emitRegion } from "./emit-region.ts";
import { RegionKind } from "./known-code.ts";
import type { Region } from "./region.ts";
import type { CsrAccessFunctions, RegionFunctions } from "./region-functions.ts";

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

/** A region in the table. */
interface Translation {
  readonly index: number;
  readonly entry: number;
  /** Host addresses of the code it was made from, for each of its pages. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  readonly secondPage: number | undefined;
  readonly instructions: number;
  /** The bytes of {@link ranges}, where stores to code are not noticed. */
  readonly source: readonly Uint8Array[];
}

const PAGE_SIZE = 4096;
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

/** Makes, installs and drops the translations of guest code. */
export class Translator {
  readonly #options: TranslatorOptions;
  readonly #map: CodeMapView;
  readonly #reader: CodeReader;
  readonly #codePages: CodePages;
  readonly #space: AddressSpace;
  readonly #code = new Code();
  /** Translations by page number of the host address. */
  readonly #pages = new Map<number, Set<Translation>>();
  readonly #byEntry = new Map<number, Translation>();
  readonly #dataPages = new DataPages();
  /** Entries of regions that are to have in them what others have too, and how often that was asked for. */
  readonly #whole = new Map<number, number>();
  /** Entries of regions that are to do accesses themselves that miss the TLB. */
  readonly #patient = new Set<number>();
  readonly #early: EarlyTranslation | undefined;
  readonly #free: number[] = [];
  /** Entries of the regions that are being translated. */
  readonly #batch = new Set<number>();
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
    const { codePages, space = translatedSpace } = options;
    this.#space = space;
    const { buffer } = options.memory.memory;
    this.#map = new CodeMapView(options.codeMap, options.harts, buffer, (host) => this.see(host));
    const { early } = options;
    this.#early = early && new EarlyTranslation(early, this.#map, buffer);
    const reader = codeReader(
      new DataView(buffer),
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
              codePages.read(host >>> 12);
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
    // Not by bits: host addresses go up to 2^32.
    const host = request - (request & 1);
    if (request !== host) {
      const isSeams = this.#map.takeSeams(host);
      const times = (this.#whole.get(host) ?? 0) + (isSeams ? 1 : 0);
      if (isSeams ? times > MAX_TIMES_WHOLE : this.#patient.has(host)) return;
      const translation = this.#byEntry.get(host);
      if (translation === undefined) return;
      const isPatient = !isSeams || this.#patient.has(host);
      this.#remove(translation);
      if (times > 0) this.#whole.set(host, times);
      if (isPatient) this.#patient.add(host);
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
    if (this.#byEntry.size + pending.length > MAX_REGIONS || this.#instructions > MAX_INSTRUCTIONS) {
      this.#dropAll();
    }
    const regions: { entry: number; region: Region }[] = [];
    for (const [entry, next] of pending) {
      if (this.#byEntry.has(entry)) continue;
      if (this.#isData(entry >>> 12)) {
        // It counts anew.
        this.#map.set(entry, 0);
        continue;
      }
      const following = this.#space.flat === undefined ? next : this.#followingPage(entry);
      const second = following === undefined || this.#isData(following >>> 12) ? undefined : following;
      const kinds = this.#early?.kindsOf(entry) ?? 0;
      if (kinds & RegionKind.WHOLE) this.#whole.set(entry, 1);
      if (kinds & RegionKind.PATIENT) this.#patient.add(entry);
      const region = discoverRegion(this.#reader, entry, {
        secondPage: second,
        isWhole: this.#whole.has(entry),
        map: this.#map,
      });
      const { second: last } = region?.pages ?? {};
      if (
        region === undefined ||
        !this.#map.ensureTable(entry) ||
        (last !== undefined && !this.#map.ensureTable(last))
      ) {
        this.#whole.delete(entry);
        this.#patient.delete(entry);
        continue;
      }
      regions.push({ entry, region });
      this.#batch.add(entry);
    }
    if (regions.length > 0) this.#install(regions);
    this.#batch.clear();
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

  #install(regions: readonly { entry: number; region: Region }[]): void {
    const { memory, regions: table, core } = this.#options;
    const module = new ModuleBuilder();
    const functions = importCore(
      module,
      memory,
      this.#space,
      regions.some(({ region }) => region.usesFloat),
      (host) => this.#entryAddress(host),
      this.#options.codeMap,
    );
    module.importTable("env", "regions", { min: 1 });
    const { count, start } = this.#options.harts;
    const hart = count === 1 ? start : undefined;
    const installed: Translation[] = [];
    for (const { entry, region } of regions) {
      const target = module.declare("", REGION_PARAMS, "i32");
      emitRegion(this.#code, region, functions, this.#patient.has(entry), hart);
      module.defineFrom(target, this.#code);
      const index = this.#free.pop() ?? table.grow(1);
      module.element(index, [target]);
      const instructions = region.blocks.reduce((n, b) => n + b.instructions.length, 0);
      const ranges = rangesOf(region);
      const source = this.#space.flat === undefined ? [] : ranges.map((range) => this.#bytes(range).slice());
      installed.push({
        index,
        entry,
        ranges,
        source,
        secondPage: region.pages.second,
        instructions,
      });
    }
    const bytes = module.toBytes();
    const imports = {
      env: { memory: memory.memory, regions: table },
      core: core as unknown as WebAssembly.ModuleImports,
    };
    new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    this.#counters.modules++;
    this.#counters.moduleBytes += bytes.length;
    for (const translation of installed) this.#register(translation);
  }

  /** Where regions find the translation at a host address. */
  #entryAddress(host: number): number | undefined {
    const isFlat = this.#space.flat !== undefined;
    if (isFlat && !(this.#isRam(host) && this.#map.ensureTable(host))) return undefined;
    return this.#map.entryAddress(host);
  }

  /** The code in a range of host addresses. */
  #bytes({ start, end }: { readonly start: number; readonly end: number }): Uint8Array {
    return new Uint8Array(this.#options.memory.memory.buffer, start, end - start);
  }

  #register(translation: Translation): void {
    for (const { start } of translation.ranges) {
      const page = start >>> 12;
      const others = this.#pages.get(page);
      if (others === undefined) {
        this.#pages.set(page, new Set([translation]));
        this.#codePages.protect(page);
      } else {
        others.add(translation);
      }
    }
    this.#byEntry.set(translation.entry, translation);
    this.#instructions += translation.instructions;
    this.#counters.instructionsTranslated += translation.instructions;
    this.#counters.regionsTranslated++;
    this.#counters.regions++;
    const whole = this.#whole.has(translation.entry) ? RegionKind.WHOLE : 0;
    const patient = this.#patient.has(translation.entry) ? RegionKind.PATIENT : 0;
    this.#early?.note(translation.entry, whole | patient);
    this.#publish(translation);
  }

  #publish({ entry, index }: Translation): void {
    this.#map.set(entry, index);
  }

  /** Someone is about to write, or has written, RAM that shares a page with translated code. */
  codeWritten(ramOffset: number, length: number): void {
    const { memory } = this.#options;
    const first = memory.ramOffset + ramOffset;
    const last = first + length;
    for (let page = first >>> 12; page <= (last - 1) >>> 12; page++) this.#writtenPage(page, first, last);
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
    for (const translation of [...this.#byEntry.values()]) {
      const { ranges, source } = translation;
      const isSame = ranges.every((range, index) =>
        areEqual(this.#bytes(range), source[index] as Uint8Array),
      );
      if (!isSame) this.#remove(translation);
    }
  }

  /** Drops a translation; its pages stay known as pages of code. */
  #remove(translation: Translation): void {
    for (const { start } of translation.ranges) this.#pages.get(start >>> 12)?.delete(translation);
    this.#drop(translation);
  }

  #drop(translation: Translation): void {
    const { entry, index } = translation;
    this.#map.set(entry, 0);
    this.#byEntry.delete(entry);
    this.#whole.delete(entry);
    this.#patient.delete(entry);
    this.#instructions -= translation.instructions;
    this.#options.regions.set(index, null);
    this.#free.push(index);
    this.#counters.regionsDropped++;
    this.#counters.regions--;
  }

  #dropAll(): void {
    for (const translation of this.#byEntry.values()) this.#drop(translation);
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

/** Where a region's code lies in the host's memory, in each of its pages. */
function rangesOf({ blocks, pages }: Region): { start: number; end: number }[] {
  const boundary = pages.first + PAGE_SIZE;
  const code = blocks.filter(({ instructions }) => instructions.length > 0);
  const start = Math.min(...code.map((block) => block.start));
  const end = Math.max(...code.map((block) => block.end));
  if (pages.second === undefined) return [{ start, end }];
  const inSecond = { start: pages.second, end: pages.second + end - boundary };
  return start < boundary ? [{ start, end: boundary }, inSecond] : [inSecond];
}

/** Imports the memory and the functions of the core module that regions use. */
function importCore(
  module: ModuleBuilder,
  memory: MachineMemory,
  space: AddressSpace,
  usesFloat: boolean,
  entryAddress: RegionFunctions["entryAddress"],
  codeMap: CodeMap,
): RegionFunctions {
  module.importMemory("env", "memory", memoryLimits(memory.memory));
  const chain = module.importFunction("core", "chain", CHAIN_PARAMS, "i32");
  const bail = module.importFunction("core", "bail", BAIL_PARAMS, "i32");
  const ask = module.importFunction("core", "ask", ASK_PARAMS, "i32");
  const host = module.importFunction("core", "host", ["i32", "i64", "i32", "i32"], "i32");
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
    atomics: memory.codeHolders === undefined ? plainMemory : sharedMemory,
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

import { type MachineMemory, PAGE_SIZE, pageNumber } from "@isomorph/mmu";
import { type CodeMap, type CodeMapView, entryIn } from "./code-map.ts";
import { KnownCode, type KnownRegion, MOST_DOUBT } from "./known-code.ts";
import { contentsOf } from "./page-contents.ts";
import { TranslationLog } from "./translation-log.ts";

/** What is to be made of earlier runs. */
export interface EarlierRuns {
  readonly known: KnownCode;
  /** Whether what is known is put to the test: nothing is translated early. */
  readonly isReview: boolean;
  /** Times that code is reached before it is translated, where it is not known. */
  readonly translationThreshold: number;
}

/** What a translator needs to translate early what was worth it before. */
export interface EarlyTranslationOptions extends EarlierRuns {
  /** Where it notes what it translates: `TranslationLog.SIZE` bytes. */
  readonly log: ArrayBufferLike;
}

/** Bounds what a machine can be made to translate in a slice by those who choose what is known. */
const LEAST_REACHES = 50;

/**
 * Times that code is reached before it is translated, where it is known: a quarter of the threshold. What is reached less
 * often is not worth it this time.
 */
function reachesOf({ translationThreshold }: EarlierRuns): number {
  return Math.max(Math.ceil(translationThreshold / 4), LEAST_REACHES);
}

const OFFSET = 4095;
/** Pages with the same in them that are looked at for what was not worth it. */
const MOST_PLACES = 16;

/** Has known code translated when it is reached a few times, and notes what is translated. */
export class EarlyTranslation {
  readonly #options: EarlyTranslationOptions;
  readonly #map: CodeMapView;
  readonly #words: Uint32Array;
  readonly #log: TranslationLog;
  /** What is in the log. */
  readonly #noted = new KnownCode();
  /** What was in pages when control first got there, or since they were written: what it is in the next run, too. */
  readonly #first = new Map<number, number>();
  /** What is in pages that have changed since without notice. */
  readonly #changed = new Map<number, number>();
  /** Pages that had translations and were written. */
  readonly #written = new Set<number>();

  constructor(options: EarlyTranslationOptions, map: CodeMapView, { memories }: MachineMemory) {
    this.#options = options;
    this.#map = map;
    this.#words = new Uint32Array(memories.ram.buffer);
    this.#log = new TranslationLog(options.log);
  }

  /** Control gets to the page of a host address, for the first time or once more. */
  see(host: number): void {
    const page = pageNumber(host);
    const contents = contentsOf(this.#words, page);
    const first = this.#first.get(page);
    if (first === undefined) this.#first.set(page, contents);
    else if (contents === (this.#changed.get(page) ?? first)) return;
    else this.#changed.set(page, contents);
    if (this.#options.known.has(contents)) this.#seeKnown(page * PAGE_SIZE, contents);
  }

  #seeKnown(host: number, contents: number): void {
    const { known, isReview, translationThreshold } = this.#options;
    this.#log.append({ host, contents, kinds: undefined });
    const count = reachesOf(this.#options) - translationThreshold;
    if (count >= 0 || isReview) return;
    for (const { offset, doubt } of known.regions(contents)) {
      if (doubt === 0) this.#map.countTo(host + offset, count);
    }
  }

  /** Bits of `RegionKind` for what begins at a host address, as far as is known. */
  kindsOf(entry: number): number {
    const page = pageNumber(entry);
    const contents = this.#changed.get(page) ?? this.#first.get(page);
    return contents === undefined ? 0 : this.#options.known.kindsOf(contents, entry & OFFSET);
  }

  /** Translations of a page were dropped because it was written. */
  pageWritten(page: number): void {
    this.#first.delete(page);
    this.#changed.delete(page);
    this.#written.add(page);
  }

  /** To be called now and then: looks at pages that were written and may be complete. */
  lookAtWritten(): void {
    for (const page of this.#written) this.see(page * PAGE_SIZE);
    this.#written.clear();
  }

  /** A region was translated, of those kinds. */
  note(entry: number, kinds: number): void {
    const page = pageNumber(entry);
    if (!this.#first.has(page)) this.see(entry);
    for (const contents of [this.#first.get(page), this.#changed.get(page)]) {
      if (contents === undefined) continue;
      if (this.#noted.add({ contents, offset: entry & OFFSET, kinds, doubt: 0 })) {
        this.#log.append({ host: entry, contents, kinds });
      }
    }
  }

  clear(): void {
    this.#first.clear();
    this.#changed.clear();
    this.#written.clear();
  }
}

/** What a machine's translators have noted, and where they count. */
export interface TranslatorNotes {
  readonly log: ArrayBufferLike;
  readonly map: CodeMap;
}

/**
 * What is known after a run: what was known before, and what translators have translated. Of that which was not to be
 * translated early, what was reached often enough for it but no oftener is doubted; what was translated all the same is
 * doubted less.
 */
export function learnedCode(
  before: EarlierRuns,
  translators: readonly TranslatorNotes[],
  { memories: { memory, ram } }: MachineMemory,
): KnownCode {
  const { known, isReview } = before;
  const reaches = reachesOf(before);
  const learned = new KnownCode();
  const words = new Uint32Array(ram.buffer);
  /** Where the pages of known regions were, by contents, each with the map that counts there. */
  const seen = new Map<number, { readonly map: CodeMap; readonly host: number }[]>();
  for (const { log, map } of translators) {
    for (const { host, contents, kinds } of new TranslationLog(log).records()) {
      if (kinds === undefined) {
        const places = seen.get(contents) ?? [];
        if (places.length < MOST_PLACES) places.push({ map, host });
        seen.set(contents, places);
        continue;
      }
      const region = { offset: host & OFFSET, kinds, doubt: 0 };
      learned.add({ contents, ...region });
      // For a machine that goes on from here, this is what control finds.
      if (entryIn(map, memory.buffer, host) > 0) {
        learned.add({ contents: contentsOf(words, pageNumber(host)), ...region });
      }
    }
  }
  const wasInVain = ({ contents, offset }: KnownRegion): boolean =>
    (seen.get(contents) ?? []).some(
      ({ map, host }) => entryIn(map, memory.buffer, host + offset) <= -reaches,
    );
  for (const region of known.regions()) {
    const { contents, offset } = region;
    let { doubt } = region;
    if (learned.has(contents, offset)) doubt = Math.max(doubt - 1, 0);
    else if ((isReview || doubt > 0) && wasInVain(region)) doubt = MOST_DOUBT;
    learned.add({ ...region, doubt });
  }
  return learned;
}

import { type CodeMap, type CodeMapView, isTranslatedIn } from "./code-map.ts";
import { KnownCode } from "./known-code.ts";
import { contentsOf } from "./page-contents.ts";
import { TranslationLog } from "./translation-log.ts";

/** What a translator needs to translate early what was worth it before. */
export interface EarlyTranslationOptions {
  readonly known: KnownCode;
  /** Where it notes what it translates: `TranslationLog.SIZE` bytes. */
  readonly log: ArrayBufferLike;
  /** Times that code is reached before it is translated, where it is not known. */
  readonly translationThreshold: number;
}

/**
 * Times that code is reached before it is translated, where it is known: what is reached a few times only is not worth it
 * this time. It also bounds what a machine can be made to translate in a slice by those who choose what is known.
 */
const REACHES = 50;

const PAGE_BITS = 12;
const OFFSET = 4095;

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

  constructor(options: EarlyTranslationOptions, map: CodeMapView, buffer: ArrayBufferLike) {
    this.#options = options;
    this.#map = map;
    this.#words = new Uint32Array(buffer);
    this.#log = new TranslationLog(options.log);
  }

  /** Control gets to the page of a host address, for the first time or once more. */
  see(host: number): void {
    const page = host >>> PAGE_BITS;
    const contents = contentsOf(this.#words, page);
    const first = this.#first.get(page);
    if (first === undefined) this.#first.set(page, contents);
    else if (contents === (this.#changed.get(page) ?? first)) return;
    else this.#changed.set(page, contents);
    this.#countKnown(page, contents);
  }

  #countKnown(page: number, contents: number): void {
    const entries = this.#options.known.entriesOf(contents);
    if (entries === undefined) return;
    const count = REACHES - this.#options.translationThreshold;
    if (count >= 0) return;
    for (const offset of entries.keys()) {
      this.#map.countTo(((page << PAGE_BITS) | offset) >>> 0, count);
    }
  }

  /** Bits of `RegionKind` for what begins at a host address, as far as is known. */
  kindsOf(entry: number): number {
    const page = entry >>> PAGE_BITS;
    const contents = this.#changed.get(page) ?? this.#first.get(page);
    return contents === undefined ? 0 : (this.#options.known.entriesOf(contents)?.get(entry & OFFSET) ?? 0);
  }

  /** Translations of a page were dropped because it was written. */
  pageWritten(page: number): void {
    this.#first.delete(page);
    this.#changed.delete(page);
    this.#written.add(page);
  }

  /** To be called now and then: looks at pages that were written and may be complete. */
  lookAtWritten(): void {
    for (const page of this.#written) this.see((page << PAGE_BITS) >>> 0);
    this.#written.clear();
  }

  /** A region was translated, of those kinds. */
  note(entry: number, kinds: number): void {
    const page = entry >>> PAGE_BITS;
    if (!this.#first.has(page)) this.see(entry);
    for (const contents of [this.#first.get(page), this.#changed.get(page)]) {
      if (contents !== undefined && this.#noted.add(contents, entry & OFFSET, kinds)) {
        this.#log.append({ entry, contents, kinds });
      }
    }
  }

  clear(): void {
    this.#first.clear();
    this.#changed.clear();
    this.#written.clear();
  }
}

/** What translators have learned, in addition to what they knew. */
export function learnedCode(
  known: KnownCode,
  translators: readonly { readonly log: ArrayBufferLike; readonly map: CodeMap }[],
  buffer: ArrayBufferLike,
): KnownCode {
  const learned = new KnownCode();
  const words = new Uint32Array(buffer);
  for (const { log, map } of translators) {
    for (const { entry, contents, kinds } of new TranslationLog(log).records()) {
      learned.add(contents, entry & OFFSET, kinds);
      // For a machine that goes on from here, this is what control finds.
      if (isTranslatedIn(map, buffer, entry)) {
        learned.add(contentsOf(words, entry >>> PAGE_BITS), entry & OFFSET, kinds);
      }
    }
  }
  learned.addAll(known);
  return learned;
}

import type { MachineMemory } from "@isomorph/mmu";
import type { SharedTranslations } from "./threads/share.ts";
import type { CodeMap } from "./translator/code-map.ts";
import {
  type EarlierRuns,
  type EarlyTranslationOptions,
  learnedCode,
} from "./translator/early-translation.ts";
import { KnownCode } from "./translator/known-code.ts";
import { TranslationLog } from "./translator/translation-log.ts";

/** The options of a processor that say what it knows of earlier runs. */
export interface TranslationsOptions {
  /**
   * What `translations()` of a processor gave of an earlier run: code that is in it is translated when it is reached a
   * quarter of `translationThreshold` times. Of no bytes, the processor only learns it. Whatever is in it changes nothing
   * but when code is translated.
   */
  readonly translations?: Uint8Array | undefined;
  /**
   * Puts `translations` to the test: nothing is translated early, and what then turns out not to have been worth it is
   * not translated early in later runs either, until it has been worth it twice again. For what serves runs of many kinds,
   * every now and then.
   * @defaultValue false
   */
  readonly reviewTranslations?: boolean | undefined;
}

/** Takes the options. Throws a TypeError, or what {@link KnownCode.read} throws. */
export function readTranslations(
  options: TranslationsOptions,
  translationThreshold: number,
): EarlierRuns | undefined {
  const { translations, reviewTranslations = false } = options;
  if (translations === undefined) return undefined;
  if (!(translations instanceof Uint8Array)) {
    throw new TypeError(`translations must be a Uint8Array, got ${typeof translations}`);
  }
  return { known: KnownCode.read(translations), isReview: reviewTranslations, translationThreshold };
}

/** What a processor knows and learns of code that is worth translating. */
export class Translations {
  readonly #before: EarlierRuns;
  readonly #maps: readonly CodeMap[];
  readonly #memory: MachineMemory;
  /** One for each of the code maps. */
  readonly logs: readonly ArrayBufferLike[];

  /** @param maps - Those of the translators, each of which has one. */
  constructor(before: EarlierRuns, maps: readonly CodeMap[], memory: MachineMemory) {
    this.#before = before;
    this.#maps = maps;
    this.#memory = memory;
    const Buffer = memory.memories.memory.buffer instanceof ArrayBuffer ? ArrayBuffer : SharedArrayBuffer;
    this.logs = maps.map(() => new Buffer(TranslationLog.SIZE));
  }

  /** For the translator on this thread. */
  get early(): EarlyTranslationOptions {
    return { ...this.#before, log: this.logs[0] as ArrayBufferLike };
  }

  /** For translators in other threads. */
  get share(): SharedTranslations {
    const { known, isReview } = this.#before;
    return { known: known.toBytes(), isReview, logs: this.logs };
  }

  /** What is known and was learned, as the option `translations` takes it. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const translators = this.#maps.map((map, index) => ({ map, log: this.logs[index] as ArrayBufferLike }));
    return learnedCode(this.#before, translators, this.#memory).toBytes();
  }
}

/** What `translations()` of a processor gives. Throws a TypeError where nothing is learned. */
export function bytesOf(translations: Translations | undefined): Uint8Array<ArrayBuffer> {
  if (translations !== undefined) return translations.toBytes();
  throw new TypeError(
    "the processor was made without the option translations: give it, if only with no bytes, to have it learn them",
  );
}

import type { CodeMap } from "./translator/code-map.ts";
import { type EarlyTranslationOptions, learnedCode } from "./translator/early-translation.ts";
import { KnownCode } from "./translator/known-code.ts";
import { TranslationLog } from "./translator/translation-log.ts";

/** Takes the option `translations`. Throws a TypeError, or what {@link KnownCode.read} throws. */
export function readTranslations(translations: Uint8Array | undefined): KnownCode | undefined {
  if (translations === undefined) return undefined;
  if (!(translations instanceof Uint8Array)) {
    throw new TypeError(`translations must be a Uint8Array, got ${typeof translations}`);
  }
  return KnownCode.read(translations);
}

/** What a processor knows and learns of code that is worth translating. */
export class Translations {
  readonly #known: KnownCode;
  readonly #maps: readonly CodeMap[];
  readonly #buffer: ArrayBufferLike;
  /** One for each of the code maps. */
  readonly logs: readonly ArrayBufferLike[];

  /** @param maps - Those of the translators, each of which has one. */
  constructor(known: KnownCode, maps: readonly CodeMap[], { buffer }: WebAssembly.Memory) {
    this.#known = known;
    this.#maps = maps;
    this.#buffer = buffer;
    const Buffer = buffer instanceof ArrayBuffer ? ArrayBuffer : SharedArrayBuffer;
    this.logs = maps.map(() => new Buffer(TranslationLog.SIZE));
  }

  /** For the translator on this thread. */
  early(translationThreshold: number): EarlyTranslationOptions {
    return { known: this.#known, log: this.logs[0] as ArrayBufferLike, translationThreshold };
  }

  /** What was known, for other threads. */
  get knownBytes(): Uint8Array {
    return this.#known.toBytes();
  }

  /** What is known and was learned, as the option `translations` takes it. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const translators = this.#maps.map((map, index) => ({ map, log: this.logs[index] as ArrayBufferLike }));
    return learnedCode(this.#known, translators, this.#buffer).toBytes();
  }
}

/** What `translations()` of a processor gives. Throws a TypeError where nothing is learned. */
export function bytesOf(translations: Translations | undefined): Uint8Array<ArrayBuffer> {
  if (translations !== undefined) return translations.toBytes();
  throw new TypeError(
    "the processor was made without the option translations: give it, if only with no bytes, to have it learn them",
  );
}

import { riscv64 } from "@isomorph/cpu";
import type { Vm } from "@isomorph/hypervisor";
import { readFile } from "../machine/files.ts";
import type { Sight } from "../sight/sight.ts";
import { LARGEST_TRANSLATIONS, replaceFile } from "../translate/translations-file.ts";

/**
 * Runs after which what is remembered is put to the test: it comes of guests' work of every kind, of which a run does one.
 */
const REVIEW_AGE = 7;

/**
 * What code of guests was worth translating so far, in a file: what a processor gives, and a byte for the runs since that was
 * put to the test. Nothing in it is a loss.
 */
export class TranslationsCache {
  readonly #path: string;
  readonly #age: number;
  /** No bytes where the cache has none that can be used. */
  readonly translations: Uint8Array;

  private constructor(path: string, translations: Uint8Array, age: number) {
    this.#path = path;
    this.translations = translations;
    this.#age = age;
  }

  static async open(path: string): Promise<TranslationsCache> {
    try {
      const bytes = await readFile(path, "the cache's", LARGEST_TRANSLATIONS, () => "is too large");
      const translations = bytes.subarray(0, -1);
      riscv64({ translations });
      return new TranslationsCache(path, translations, bytes.at(-1) ?? 0);
    } catch {
      return new TranslationsCache(path, new Uint8Array(), 0);
    }
  }

  /** Whether this run is to put the translations to the test. */
  get reviewTranslations(): boolean {
    return this.#age >= REVIEW_AGE;
  }

  /** Writes the machine's translations to the cache at its end, where that can be done; lets another sight go first. */
  keep(inner: Sight | undefined): Sight {
    return {
      begin: (vm) => inner?.begin(vm),
      end: async (vm) => {
        await inner?.end(vm);
        await this.#write(vm).catch(() => undefined);
      },
    };
  }

  async #write(vm: Vm): Promise<void> {
    const age = this.reviewTranslations ? 0 : this.#age + 1;
    await replaceFile(this.#path, Buffer.concat([vm.translations(), Uint8Array.of(age)]));
  }
}

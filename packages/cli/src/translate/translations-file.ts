import { open, rename, rm, writeFile } from "node:fs/promises";
import { riscv64 } from "@isomorph/cpu";
import type { Vm } from "@isomorph/hypervisor";
import { CommandError } from "../command/failure.ts";
import type { Progress } from "../command/progress.ts";
import { hostReason, readFile } from "../machine/files.ts";
import type { Sight } from "../sight/sight.ts";

/** More than a processor ever gives. */
export const LARGEST_TRANSLATIONS: number = 1 << 20;

/** What the option `--translations` asks for. */
export async function givenTranslations(path: string | undefined): Promise<Uint8Array | undefined> {
  return path === undefined ? undefined : readTranslations(path, "--translations");
}

/** @param option - Names what gave the path, for errors. */
async function readTranslations(path: string, option: string): Promise<Uint8Array> {
  const bytes = await readFile(
    path,
    option,
    LARGEST_TRANSLATIONS,
    () => "is larger than any file of translations",
  );
  try {
    riscv64({ translations: bytes });
  } catch (error) {
    const text = `${option} ${path}: ${(error as Error).message}; isomorph translate makes such files`;
    throw new CommandError(text, { cause: error });
  }
  return bytes;
}

/** Opens a file for translations before the machine runs. @returns what is in it: no bytes where it is new. */
export async function openTranslations(path: string, option: string): Promise<Uint8Array> {
  try {
    await (await open(path, "a")).close();
  } catch (error) {
    throw new CommandError(`${option} ${path}: ${hostReason(error)}`, { cause: error });
  }
  return readTranslations(path, option);
}

/** Writes the machine's translations to a file at its end, however it ends; lets another sight go first. */
export class TranslationsKeeper implements Sight {
  readonly #path: string;
  readonly #option: string;
  readonly #before: Uint8Array;
  readonly #progress: Progress;
  readonly #inner: Sight | undefined;

  constructor(
    path: string,
    option: string,
    before: Uint8Array,
    progress: Progress,
    inner: Sight | undefined,
  ) {
    this.#path = path;
    this.#option = option;
    this.#before = before;
    this.#progress = progress;
    this.#inner = inner;
  }

  begin(vm: Vm): void {
    this.#inner?.begin(vm);
  }

  async end(vm: Vm): Promise<void> {
    await this.#inner?.end(vm);
    const bytes = vm.translations();
    try {
      await replaceFile(this.#path, bytes);
    } catch (error) {
      throw new CommandError(`${this.#option} ${this.#path}: ${hostReason(error)}`, { cause: error });
    }
    const before = this.#before.length;
    const what = before === 0 ? "written" : `now, ${before} before`;
    this.#progress.say(`${this.#path}: ${bytes.length} bytes ${what}`);
  }
}

/** Replaces a file: whoever reads it never finds half of it. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, bytes);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

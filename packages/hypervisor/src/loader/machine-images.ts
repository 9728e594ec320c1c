import type { MaybePromise } from "@isomorph/interface";
import { imageSymbols } from "../symbols/image-symbols.ts";
import type { SymbolTable } from "../symbols/symbol-table.ts";
import { type BootImages, type ImageFiles, planImages } from "./boot-images.ts";
import type { ImagePlan, MemoryRange } from "./image-plan.ts";

/**
 * An image: its bytes, or what gets them. A function is called whenever the machine is switched on, which a reset does
 * too, and what it gave is let go once it is in guest memory. Its signal is aborted when nobody waits for it any more.
 */
export type ImageSource = Uint8Array | ((signal?: AbortSignal) => MaybePromise<Uint8Array>);

/** The images of a machine, as its configuration has them. */
export type ImageSources = { readonly [K in keyof ImageFiles]: ImageSource | undefined };

/** The images of a machine, for one power-on after the other. */
export class MachineImages {
  readonly #sources: ImageSources;
  readonly #memory: MemoryRange;
  /** What came of them, as far as they are there as bytes in any case. */
  #kernel: ImagePlan | undefined;
  #firmware: ImagePlan | undefined;
  #kept: BootImages | undefined;

  constructor(sources: ImageSources, memory: MemoryRange) {
    this.#sources = sources;
    this.#memory = memory;
  }

  /** The images, where {@link load} has been called and all of them are there for good. */
  get kept(): BootImages | undefined {
    return this.#kept;
  }

  /**
   * Gets the images, checks them and decides where they go. Rejects with a `VmError` that says what is wrong with which
   * image, with what a function of the embedder threw, and at once with the signal's reason when that is aborted.
   */
  async load(signal: AbortSignal | undefined): Promise<BootImages> {
    const { kernel, initrd, firmware } = this.#sources;
    const files: ImageFiles = {
      kernel: await bytesOf("kernel", kernel, signal),
      initrd: await bytesOf("initrd", initrd, signal),
      firmware: await bytesOf("firmware", firmware, signal),
    };
    const images = await planImages(files, this.#memory, signal);
    if (typeof kernel !== "function") this.#kernel = images.kernel;
    if (typeof firmware !== "function") this.#firmware = images.firmware;
    if (![kernel, initrd, firmware].some((source) => typeof source === "function")) this.#kept = images;
    return images;
  }

  /** The symbols of images that were given as bytes. */
  symbols(): readonly SymbolTable[] {
    const { kernel, firmware } = this.#sources;
    return [
      ...(typeof kernel === "function" ? [] : imageSymbols(kernel, this.#kernel)),
      ...(typeof firmware === "function" ? [] : imageSymbols(firmware, this.#firmware)),
    ];
  }
}

async function bytesOf(
  name: keyof ImageFiles,
  source: ImageSource | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (typeof source !== "function") return source;
  signal?.throwIfAborted();
  const given: unknown = await untilAborted(source(signal), signal);
  if (given instanceof Uint8Array) return given;
  throw new TypeError(`the function ${name} must give a Uint8Array, got ${typeof given}`);
}

/** What `work` comes to, unless the signal is aborted before. */
function untilAborted<T>(work: MaybePromise<T>, signal: AbortSignal | undefined): MaybePromise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

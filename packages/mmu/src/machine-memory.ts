import type { GuestMemory } from "@isomorph/interface";
import { PageFlag, TLB_ENTRIES, Tlb } from "./state.ts";

/** Bytes of a guest page frame; dirty tracking and code protection work in these. */
export const PAGE_SIZE = 4096;

const WASM_PAGE = 65536;
const MEMORY32_LIMIT = 2 ** 32;

/** Where the harts' blocks lie in the machine's memory. */
export interface HartBlocks {
  /** Host address of the first hart's block. */
  readonly start: number;
  /** Bytes from one block to the next. */
  readonly stride: number;
  readonly count: number;
}

export interface MachineMemoryOptions {
  /** Guest physical address of the first byte of RAM. A multiple of 4096. */
  readonly ramBase: number;
  /** Bytes of RAM. A multiple of 4096. */
  readonly ramSize: number;
  /** Bytes at the start of the memory that belong to the cpu package: tables and harts' blocks. */
  readonly reserved: number;
  /** The harts whose TLBs {@link MachineMemory.takeDirtyPages} strips. Within the reserved bytes. */
  readonly harts?: HartBlocks;
  /**
   * Whether threads share the memory: true makes one, and a memory that another thread has made is joined. With it come
   * {@link MachineMemory.codeHolders}.
   */
  readonly shared?: boolean | WebAssembly.Memory;
}

/** Which threads hold translations of a page's code, in memory that threads share. */
export interface CodeHolders {
  /** Host address of the first page's byte in {@link holders}. */
  readonly offset: number;
  /** For each page of RAM a bit for each hart that holds translations of its code, or is about to. */
  readonly holders: Uint8Array;
  /** Those of them that have to drop the translations, since the page was written. */
  readonly stale: Uint8Array;
}

/**
 * The one WebAssembly memory of a machine, from address 0: what the cpu package reserved, one flag byte for each
 * 4 KiB page of RAM ({@link PageFlag}), the bytes of {@link CodeHolders} where threads share it, then RAM at an offset
 * that is a multiple of 64 KiB.
 */
export class MachineMemory implements GuestMemory {
  readonly memory: WebAssembly.Memory;
  readonly base: number;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** The flag byte of the page at `base + 4096 * i` is `pageFlags[i]`. */
  readonly pageFlags: Uint8Array;
  /** Host address of the first byte of RAM. Never 0. */
  readonly ramOffset: number;
  /** Host address of the first page's flag byte. */
  readonly pageFlagsOffset: number;
  /** Where threads share the memory: replaces the flag CODE. */
  readonly codeHolders: CodeHolders | undefined;
  /**
   * Called when the host has written `[ramOffset, ramOffset + length)` of RAM, counted from RAM's start, and one of
   * the pages touched holds translated code.
   */
  onCodeWritten: ((ramOffset: number, length: number) => void) | undefined;
  readonly #harts: HartBlocks | undefined;

  /**
   * @throws RangeError when a size or an address is no multiple of 4096, or everything together does not fit in a
   * 32-bit WebAssembly memory. Error with code `ERR_MEMORY_ALLOCATION` when the host does not give that much.
   */
  constructor({ ramBase, ramSize, reserved, harts, shared = false }: MachineMemoryOptions) {
    checkMultiple("ramBase", ramBase, PAGE_SIZE);
    checkMultiple("ramSize", ramSize, PAGE_SIZE);
    checkMultiple("reserved", reserved, 1);
    if (ramSize === 0) throw new RangeError("ramSize is 0: a machine needs RAM");
    if (!Number.isSafeInteger(ramBase + ramSize)) {
      throw new RangeError(`RAM of ${ramSize} bytes at ${ramBase} ends above 2^53`);
    }
    if (harts !== undefined && harts.start + harts.stride * harts.count > reserved) {
      throw new RangeError(`${harts.count} harts' blocks do not fit in ${reserved} reserved bytes`);
    }
    this.base = ramBase;
    this.size = ramSize;
    this.#harts = harts;
    this.pageFlagsOffset = roundUp(reserved, 64);
    const pages = ramSize / PAGE_SIZE;
    const flagBytes = shared === false ? pages : 3 * pages;
    this.ramOffset = Math.max(WASM_PAGE, roundUp(this.pageFlagsOffset + flagBytes, WASM_PAGE));
    const total = this.ramOffset + ramSize;
    if (total > MEMORY32_LIMIT) {
      throw new RangeError(
        `ramSize ${ramSize} is too large: with ${this.ramOffset} bytes of tables it does not fit in a 32-bit ` +
          `WebAssembly memory; at most ${MEMORY32_LIMIT - this.ramOffset} bytes would`,
      );
    }
    this.memory = typeof shared === "object" ? shared : allocate(Math.ceil(total / WASM_PAGE), shared);
    const { buffer } = this.memory;
    this.bytes = new Uint8Array(buffer, this.ramOffset, ramSize);
    this.data = new DataView(buffer, this.ramOffset, ramSize);
    this.pageFlags = new Uint8Array(buffer, this.pageFlagsOffset, pages);
    if (shared !== false) {
      const offset = this.pageFlagsOffset + pages;
      const holders = new Uint8Array(buffer, offset, pages);
      this.codeHolders = { offset, holders, stale: new Uint8Array(buffer, offset + pages, pages) };
    }
  }

  contains(gpa: number, length: number): boolean {
    return gpa >= this.base && length >= 0 && gpa + length <= this.base + this.size;
  }

  view(gpa: number, length: number): Uint8Array {
    if (!this.contains(gpa, length)) {
      throw new RangeError(
        `[${gpa}, ${gpa} + ${length}) is not in RAM [${this.base}, ${this.base + this.size})`,
      );
    }
    return this.bytes.subarray(gpa - this.base, gpa - this.base + length);
  }

  markDirty(gpa: number, length: number): void {
    const start = Math.max(0, gpa - this.base);
    const end = Math.min(this.size, gpa - this.base + length);
    if (!(start < end)) return;
    const flags = this.pageFlags;
    const first = Math.floor(start / PAGE_SIZE);
    const last = Math.floor((end - 1) / PAGE_SIZE);
    let seen = 0;
    const holders = this.codeHolders?.holders;
    // What the host has written is there for other threads before it is asked whether one translates code of it.
    if (holders !== undefined) Atomics.or(flags, first, PageFlag.DIRTY);
    for (let page = first; page <= last; page++) {
      const flag = flags[page]!;
      seen |= holders === undefined ? flag & PageFlag.CODE : holders[page]!;
      flags[page] = flag | PageFlag.DIRTY;
    }
    if (seen !== 0) this.onCodeWritten?.(start, end - start);
  }

  /**
   * The pages written since the last call, as ascending indices of 4 KiB pages of RAM, and starts anew: every hart's
   * next write to any page is seen again. No hart may run meanwhile. Pages may be named that were not written.
   */
  takeDirtyPages(): Uint32Array {
    const flags = this.pageFlags;
    let count = 0;
    for (let page = 0; page < flags.length; page++) count += (flags[page]! & PageFlag.DIRTY) >>> 1;
    const dirty = new Uint32Array(count);
    for (let page = 0, at = 0; at < count; page++) {
      if ((flags[page]! & PageFlag.DIRTY) === 0) continue;
      flags[page]! &= ~PageFlag.DIRTY;
      dirty[at++] = page;
    }
    if (this.#harts !== undefined) stripWriteTags(this.memory, this.#harts);
    return dirty;
  }
}

/** Makes every hart's next store to any page go through the slow path, where it is recorded. */
function stripWriteTags(memory: WebAssembly.Memory, { start, stride, count }: HartBlocks): void {
  for (let hart = 0; hart < count; hart++) {
    const tlb = new DataView(memory.buffer, start + hart * stride + Tlb.START, TLB_ENTRIES * Tlb.ENTRY_SIZE);
    for (let at = Tlb.WRITE; at < tlb.byteLength; at += Tlb.ENTRY_SIZE) tlb.setBigUint64(at, 0n);
  }
}

function allocate(pages: number, shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    const error = new Error(`the host does not give ${pages * WASM_PAGE} bytes for the machine's memory`, {
      cause,
    });
    throw Object.assign(error, { code: "ERR_MEMORY_ALLOCATION" });
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function checkMultiple(name: string, value: number, multiple: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value % multiple !== 0) {
    const what = multiple === 1 ? "a byte count" : `a multiple of ${multiple}`;
    throw new RangeError(`${name} is ${value}, not ${what}`);
  }
}

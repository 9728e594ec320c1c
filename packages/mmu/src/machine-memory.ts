import type { GuestMemory } from "@isomorph/interface";
import { type Limits, type ModuleBuilder, supportsWideMemories } from "@isomorph/wasm";
import { type HostAddresses, NARROW_ADDRESSES, WIDE_ADDRESSES } from "./host-addresses.ts";
import { PageFlag, TLB_ENTRIES, Tlb } from "./state.ts";

/** Bytes of a guest page frame; dirty tracking and code protection work in these. */
export const PAGE_SIZE = 4096;

const WASM_PAGE = 65536;
const MEMORY32_LIMIT = 2 ** 32;
/** Bytes of a memory with 64-bit addresses (WebAssembly JavaScript Interface, "Implementation-defined Limits"). */
const MEMORY64_LIMIT = 2 ** 34;

/** Where the harts' blocks lie in the machine's memory. */
export interface HartBlocks {
  /** Address of the first hart's block, in memory 0. */
  readonly start: number;
  /** Bytes from one block to the next. */
  readonly stride: number;
  readonly count: number;
}

/** The WebAssembly memories of a machine, by the names that its modules import from `env`. */
export interface MachineMemories {
  /** Memory 0. */
  readonly memory: WebAssembly.Memory;
  /** The memory that has RAM: the same one, or memory 1. */
  readonly ram: WebAssembly.Memory;
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
   * Whether threads share the memory: true makes it, and what another thread has made is joined. With it come
   * {@link MachineMemory.codeHolders}.
   */
  readonly shared?: boolean | MachineMemories;
  /** Least host address of RAM, a multiple of 64 KiB. Default 0: RAM comes right behind what precedes it. */
  readonly ramStart?: number;
  /** How far beyond RAM's end code computes host addresses, which must not wrap around. Default 0. */
  readonly reach?: number;
  /** Whether host addresses have to have 32 bits. Default: where RAM does not fit then, they have 64. */
  readonly isNarrow?: boolean;
}

/** Which threads hold translations of a page's code, in memory that threads share. */
export interface CodeHolders {
  /** Address of the first page's byte in {@link holders}, in memory 0. */
  readonly offset: number;
  /** For each page of RAM a bit for each hart that holds translations of its code, or is about to. */
  readonly holders: Uint8Array;
  /** Those of them that have to drop the translations, since the page was written. */
  readonly stale: Uint8Array;
}

/**
 * The WebAssembly memory of a machine, from address 0: what the cpu package reserved, one flag byte for each 4 KiB page
 * of RAM ({@link PageFlag}), the bytes of {@link CodeHolders} where threads share it, then RAM at an offset that is a
 * multiple of 64 KiB. Where that is more than 4 GiB, RAM has a memory with 64-bit addresses to itself, at the same offset.
 */
export class MachineMemory implements GuestMemory {
  readonly memories: MachineMemories;
  /** What host addresses are. */
  readonly host: HostAddresses;
  readonly base: number;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** The flag byte of the page at `base + 4096 * i` is `pageFlags[i]`. */
  readonly pageFlags: Uint8Array;
  /** Host address of the first byte of RAM. Never 0. */
  readonly ramOffset: number;
  /** Address of the first page's flag byte, in memory 0. */
  readonly pageFlagsOffset: number;
  /** Where threads share the memory: replaces the flag CODE. */
  readonly codeHolders: CodeHolders | undefined;
  /**
   * Called when the host has written `[ramOffset, ramOffset + length)` of RAM, counted from RAM's start, and one of
   * the pages touched holds translated code.
   */
  onCodeWritten: ((ramOffset: number, length: number) => void) | undefined;
  readonly #harts: HartBlocks | undefined;
  /** Where what precedes RAM ends. */
  readonly #tablesEnd: number;

  /**
   * @throws RangeError when a size or an address is no multiple of 4096; when everything together does not fit in a
   * WebAssembly memory with 32-bit addresses, and the engine has no others; when RAM does not fit in one of those, which
   * take 16 GiB. Error with code `ERR_MEMORY_ALLOCATION` when the host does not give that much.
   */
  constructor(options: MachineMemoryOptions) {
    const { ramBase, ramSize, reserved, harts, shared = false, ramStart = 0 } = options;
    checkMultiple("ramBase", ramBase, PAGE_SIZE);
    checkMultiple("ramSize", ramSize, PAGE_SIZE);
    checkMultiple("reserved", reserved, 1);
    checkMultiple("ramStart", ramStart, WASM_PAGE);
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
    this.#tablesEnd = Math.max(WASM_PAGE, roundUp(this.pageFlagsOffset + flagBytes, WASM_PAGE));
    this.ramOffset = Math.max(this.#tablesEnd, ramStart);
    this.host = addressesFor(options, this.ramOffset);
    this.memories = typeof shared === "object" ? shared : this.#allocate(shared);
    const { ram } = this.memories;
    this.bytes = new Uint8Array(ram.buffer, this.ramOffset, ramSize);
    this.data = new DataView(ram.buffer, this.ramOffset, ramSize);
    const { buffer } = this.memories.memory;
    this.pageFlags = new Uint8Array(buffer, this.pageFlagsOffset, pages);
    if (shared !== false) {
      const offset = this.pageFlagsOffset + pages;
      const holders = new Uint8Array(buffer, offset, pages);
      this.codeHolders = { offset, holders, stale: new Uint8Array(buffer, offset + pages, pages) };
    }
  }

  #allocate(shared: boolean): MachineMemories {
    const total = this.ramOffset + this.size;
    if (this.host === NARROW_ADDRESSES) {
      const memory = allocate(total, { shared });
      return { memory, ram: memory };
    }
    return {
      memory: allocate(this.#tablesEnd, { shared }),
      ram: allocate(total, { shared, address: "i64" }),
    };
  }

  /** Imports the machine's memories, under the names of {@link MachineMemories}, into a module that has none yet. */
  importInto(module: ModuleBuilder): void {
    const { memory, ram } = this.memories;
    module.importMemory("env", "memory", limitsOf(memory));
    if (ram !== memory) module.importMemory("env", "ram", { ...limitsOf(ram), address: "i64" });
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
    if (this.#harts !== undefined) stripWriteTags(this.memories.memory, this.#harts);
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

/** What host addresses have to be for RAM to have them. */
function addressesFor(
  { ramSize, reach = 0, isNarrow = false }: MachineMemoryOptions,
  ramOffset: number,
): HostAddresses {
  const largest = MEMORY32_LIMIT - ramOffset - reach;
  if (ramSize <= largest) return NARROW_ADDRESSES;
  if (isNarrow) throw tooLarge(ramSize, largest, "is the most");
  if (!supportsWideMemories()) {
    const wayOut = "is the most without WebAssembly memories of 64-bit addresses, which this engine lacks";
    throw tooLarge(ramSize, largest, `${wayOut}: Node.js 24 and Chromium 133 have them`);
  }
  const largestWide = MEMORY64_LIMIT - ramOffset - reach;
  if (ramSize > largestWide) throw tooLarge(ramSize, largestWide, "is the most");
  return WIDE_ADDRESSES;
}

function tooLarge(ramSize: number, largest: number, why: string): RangeError {
  return new RangeError(`ramSize ${ramSize} is too large: ${largest} ${why}`);
}

/** What an engine has that knows memories with 64-bit addresses. */
interface Descriptor {
  readonly shared: boolean;
  readonly address?: "i64";
}

function allocate(bytes: number, { shared, address }: Descriptor): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  const size = address === undefined ? pages : BigInt(pages);
  const descriptor = { initial: size, maximum: size, shared, ...(address && { address }) };
  try {
    return new WebAssembly.Memory(descriptor as WebAssembly.MemoryDescriptor);
  } catch (cause) {
    const error = new Error(`the host does not give ${pages * WASM_PAGE} bytes for the machine's memory`, {
      cause,
    });
    throw Object.assign(error, { code: "ERR_MEMORY_ALLOCATION" });
  }
}

/** Import limits that accept a memory as it is. */
function limitsOf({ buffer }: WebAssembly.Memory): Limits {
  const pages = buffer.byteLength / WASM_PAGE;
  const shared = typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
  return shared ? { min: pages, max: pages, shared } : { min: pages };
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

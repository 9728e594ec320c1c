import type { UserProcessor } from "@isomorph/cpu";

/** Bytes that mappings and the break are multiples of. */
const PAGE = 4096;

/** A mapped range of addresses. */
interface Mapping {
  readonly start: number;
  readonly end: number;
}

export interface SpaceOptions {
  readonly memory: UserProcessor["memory"];
  /** Where the heap begins. */
  readonly heap: number;
  /** Where mappings end; the stack lies above. */
  readonly limit: number;
}

/** What of a program's memory is given out: the heap that `brk` moves, and mappings from the top down. */
export class AddressSpace {
  readonly #memory: UserProcessor["memory"];
  readonly #heap: number;
  readonly #limit: number;
  #break: number;
  /** In order of falling addresses. */
  #mappings: Mapping[] = [];

  constructor({ memory, heap, limit }: SpaceOptions) {
    this.#memory = memory;
    this.#heap = roundUp(heap);
    this.#limit = limit;
    this.#break = this.#heap;
  }

  /** Moves the break, if there is room, and says where it is. */
  moveBreak(to: number): number {
    const lowest = this.#mappings.at(-1)?.start ?? this.#limit;
    if (!(to >= this.#heap && to <= lowest)) return this.#break;
    if (to < this.#break) this.#clear(to, this.#break);
    this.#break = to;
    return to;
  }

  /** Maps zeroed pages and gives their address; undefined when there is no room. */
  map(length: number): number | undefined {
    const size = roundUp(length);
    let end = this.#limit;
    let index = 0;
    for (; index < this.#mappings.length; index++) {
      const next = this.#mappings[index] as Mapping;
      if (end - next.end >= size) break;
      end = next.start;
    }
    const start = end - size;
    if (!(size > 0 && start >= roundUp(this.#break))) return undefined;
    this.#mappings.splice(index, 0, { start, end });
    this.#clear(start, end);
    return start;
  }

  /** Forgets what is mapped in a range. */
  unmap(start: number, length: number): void {
    const end = start + roundUp(length);
    this.#mappings = this.#mappings.flatMap((mapping) => {
      const parts = [
        { start: Math.max(mapping.start, end), end: mapping.end },
        { start: mapping.start, end: Math.min(mapping.end, start) },
      ];
      return parts.filter((part) => part.start < part.end);
    });
  }

  #clear(start: number, end: number): void {
    this.#memory.view(start, end - start).fill(0);
    this.#memory.markDirty(start, end - start);
  }
}

function roundUp(value: number): number {
  return Math.ceil(value / PAGE) * PAGE;
}

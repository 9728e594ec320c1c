import type { Window } from "./memory-map.ts";

const PAGE = 4096;

/**
 * Gives out the machine's resources: the allocator in the sense of Popek and Goldberg. No two parts of a machine ever
 * get the same addresses or the same interrupt source.
 */
export class Allocator {
  readonly #taken: Window[] = [];
  readonly #sources = new Set<number>();
  readonly #sourceCount: number;
  #nextSource: number;

  /** `firstSource`: interrupt sources below it are only given out by number. */
  constructor(sourceCount: number, firstSource: number) {
    this.#sourceCount = sourceCount;
    this.#nextSource = firstSource;
  }

  /** Whether no part of this range is taken. */
  isFree({ base, size }: Window): boolean {
    return !this.#taken.some((other) => base < other.base + other.size && other.base < base + size);
  }

  /** Takes exactly this range. Throws a RangeError when part of it is taken. */
  claim(window: Window, name: string): Window {
    if (!this.isFree(window)) {
      const end = window.base + window.size;
      throw new RangeError(
        `${name}: addresses 0x${window.base.toString(16)} to 0x${end.toString(16)} are taken`,
      );
    }
    this.#taken.push(window);
    return window;
  }

  /** Takes `size` bytes of `space`, at a multiple of the page size. Throws a RangeError when there is no such hole. */
  window(space: Window, size: number, name: string): Window {
    const length = Math.ceil(size / PAGE) * PAGE;
    for (let base = space.base; base + length <= space.base + space.size; ) {
      const blocking = this.#taken.find(
        (other) => base < other.base + other.size && other.base < base + length,
      );
      if (blocking === undefined) return this.claim({ base, size: length }, name);
      base = Math.ceil((blocking.base + blocking.size) / PAGE) * PAGE;
    }
    throw new RangeError(`${name}: the machine has no room for a device of ${size} bytes`);
  }

  /** Takes interrupt source `wanted` where it is free, else any other one. */
  source(wanted: number | undefined, name: string): number {
    if (wanted !== undefined && !this.#sources.has(wanted)) {
      this.#sources.add(wanted);
      return wanted;
    }
    while (this.#sources.has(this.#nextSource)) this.#nextSource++;
    if (this.#nextSource > this.#sourceCount) {
      throw new RangeError(`${name}: the machine has no interrupt left (${this.#sourceCount} in all)`);
    }
    this.#sources.add(this.#nextSource);
    return this.#nextSource;
  }
}

import type { Extent } from "@isomorph/interface";

/** Collects extents in order of offset, joining neighbours of one kind. */
export class ExtentList {
  readonly #extents: Extent[] = [];

  /** Appends `length` bytes at `offset`, which is where the last ones ended. */
  add(offset: number, length: number, kind: Extent["kind"]): void {
    const last = this.#extents.at(-1);
    if (last !== undefined && last.kind === kind) {
      this.#extents[this.#extents.length - 1] = { offset: last.offset, length: last.length + length, kind };
    } else {
      this.#extents.push({ offset, length, kind });
    }
  }

  list(): readonly Extent[] {
    return this.#extents;
  }
}

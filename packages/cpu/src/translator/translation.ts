import { PAGE_SIZE } from "./code-reader.ts";
import type { Region } from "./region.ts";

/** A region in the table. */
export interface Translation {
  readonly index: number;
  /** Host addresses at which it may be entered: the one that it was made for, then others. */
  readonly entries: readonly [number, ...number[]];
  /** {@link shapeOf} what it was made of. */
  readonly shape: number;
  /** Host addresses of the code it was made from, for each of its pages. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  readonly secondPage: number | undefined;
  readonly instructions: number;
  /** The bytes of {@link ranges}, where stores to code are not noticed. */
  readonly source: readonly Uint8Array[];
}

/** A hash of what a region is made of, and of how it is translated: when it is asked for anew it may be what there is. */
export function shapeOf({ blocks, pages, seams, isWhole }: Region, isPatient: boolean): number {
  let hash = (isPatient ? 1 : 0) + (isWhole ? 2 : 0) + 4 * seams.size + blocks.length + (pages.second ?? 0);
  for (const { start, end, targets } of blocks) {
    hash = (Math.imul(hash, 0x0100_0193) + start + 31 * (end - start) + 961 * targets.length) | 0;
  }
  return hash;
}

/** Where a region's code lies in the host's memory, in each of its pages. */
export function rangesOf({ blocks, pages }: Region): { start: number; end: number }[] {
  const boundary = pages.first + PAGE_SIZE;
  const code = blocks.filter(({ instructions }) => instructions.length > 0);
  const start = Math.min(...code.map((block) => block.start));
  const end = Math.max(...code.map((block) => block.end));
  if (pages.second === undefined) return [{ start, end }];
  const inSecond = { start: pages.second, end: pages.second + end - boundary };
  return start < boundary ? [{ start, end: boundary }, inSecond] : [inSecond];
}

import { type CodeHolders, pageNumber } from "@isomorph/mmu";
import type { CodePages } from "../translator/code-pages.ts";
import type { HartChannel } from "./channel.ts";
import { Mail } from "./layout.ts";

/** So often a page may be written by others within {@link WINDOW_MS} and still be translated. */
const MAX_DROPS = 16;
const WINDOW_MS = 1000;

export interface SharedCodePagesOptions {
  readonly holders: CodeHolders;
  /** RAM's first page by host address. */
  readonly firstPage: number;
  /** Channels of all harts; the hart's own is at `hart`. */
  readonly channels: readonly HartChannel[];
  readonly hart: number;
  /** Makes the hart's own stores to pages with code take the slow path. */
  readonly strip: () => void;
}

/**
 * Which pages a hart's thread holds translations of, where each hart has a translator of its own.
 *
 * A hart says that it holds a page and waits until no other hart can write it unnoticed; only then it reads the
 * code. Who writes a page that others hold marks it as stale for them before the store: they drop their
 * translations before they execute a FENCE.I that comes after the store.
 */
export class SharedCodePages implements CodePages {
  readonly #options: SharedCodePagesOptions;
  readonly #bit: number;
  readonly #held = new Set<number>();
  readonly #drops = new Map<number, { count: number; since: number }>();

  constructor(options: SharedCodePagesOptions) {
    this.#options = options;
    this.#bit = 1 << options.hart;
  }

  read(page: number): void {
    if (this.#held.has(page)) return;
    const { holders, firstPage, channels, hart, strip } = this.#options;
    this.#held.add(page);
    // Who looked at the holders before the page was released last may have marked it after that. The mark must not stay:
    // whoever finds one takes it that the hart has been told.
    Atomics.and(holders.stale, page - firstPage, ~this.#bit);
    Atomics.or(holders.holders, page - firstPage, this.#bit);
    const tickets = channels.map((channel, other) =>
      other === hart ? 0 : channel.request(Mail.PROTECT_CODE),
    );
    strip();
    for (const [other, channel] of channels.entries()) {
      if (other !== hart) channel.await(tickets[other] as number);
    }
  }

  protect(): void {}

  release(page: number): void {
    const { holders, firstPage } = this.#options;
    if (!this.#held.delete(page)) return;
    Atomics.and(holders.holders, page - firstPage, ~this.#bit);
    Atomics.and(holders.stale, page - firstPage, ~this.#bit);
  }

  /** Also of pages that were read and of which no translation was made. */
  releaseAll(): void {
    for (const page of this.#held) this.release(page);
  }

  isData(page: number): boolean {
    const drops = this.#drops.get(page);
    if (drops === undefined || drops.count < MAX_DROPS) return false;
    if (performance.now() - drops.since < WINDOW_MS) return true;
    this.#drops.delete(page);
    return false;
  }

  /** Calls `drop` for each page held that others have written. */
  dropStale(drop: (page: number) => void): void {
    const { holders, firstPage } = this.#options;
    for (const page of this.#held) {
      if ((Atomics.load(holders.stale, page - firstPage) & this.#bit) === 0) continue;
      this.#countDrop(page);
      drop(page);
      this.release(page);
    }
  }

  #countDrop(page: number): void {
    const now = performance.now();
    const drops = this.#drops.get(page);
    if (drops === undefined || now - drops.since > WINDOW_MS) this.#drops.set(page, { count: 1, since: now });
    else drops.count++;
  }
}

/**
 * Tells the harts that hold translations of pages in `[ramOffset, ramOffset + length)` that the range is about to be
 * written, or has been by a device.
 */
export function announceCodeWrite(
  { holders, stale }: CodeHolders,
  channels: readonly HartChannel[],
  ramOffset: number,
  length: number,
  own = -1,
): void {
  let concerned = 0;
  const others = own < 0 ? 0xff : 0xff & ~(1 << own);
  const last = pageNumber(ramOffset + length - 1);
  for (let page = pageNumber(ramOffset); page <= last; page++) {
    const mask = Atomics.load(holders, page) & others;
    if (mask !== 0) concerned |= mask & ~Atomics.or(stale, page, mask);
  }
  for (let hart = 0; concerned >>> hart !== 0; hart++) {
    if ((concerned >>> hart) & 1) channels[hart]?.notify(Mail.CODE_WRITTEN);
  }
}

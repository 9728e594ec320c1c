/** How a region is translated, as bits. */
export const RegionKind = {
  /** It has in it what other regions have too. */
  WHOLE: 1,
  /** It does accesses itself that miss the TLB. */
  PATIENT: 2,
} as const;

/** What stands against translating something early: what was not worth it in a run has to be worth it twice again. */
export const MOST_DOUBT = 2;

/** A region that is known. */
export interface KnownRegion {
  /** A number of `contentsOf` for its page. */
  readonly contents: number;
  /** Where it begins in that. */
  readonly offset: number;
  /** Bits of {@link RegionKind}. */
  readonly kinds: number;
  /** 0 to {@link MOST_DOUBT}; translated early where it is 0. */
  readonly doubt: number;
}

/**
 * The format, little-endian. A head: 8 bytes of magic, then 32 bits each for the version, the number of pages and that of
 * all entries. For each page 64 bits for its contents, of which 53 are used, and 16 for the number of its entries, 1 to
 * 2048; then its entries, 16 bits each: bits 1 to 11 of the offset in their place, {@link RegionKind.WHOLE} in bit 0,
 * {@link RegionKind.PATIENT} in bit 12, the doubt in bits 13 and 14. Pages ascend by contents, entries by offset, without
 * repetition.
 */
const MAGIC = "isoxlate";
const VERSION = 2;
const HEAD_SIZE = MAGIC.length + 12;
const PAGE_HEAD_SIZE = 10;
const ENTRY_SIZE = 2;
const PATIENT_BIT = 0x1000;
const DOUBT_SHIFT = 13;
const OFFSET_BITS = 0xffe;
const PAGE_PARCELS = 2048;
const MOST_PAGES = 1 << 15;
const MOST_ENTRIES = 1 << 16;

/** What is known of a region, in a number. */
const pack = (kinds: number, doubt: number): number => kinds | (doubt << 2);
const kindsIn = (packed: number): number => packed & 3;
const doubtIn = (packed: number): number => packed >>> 2;

/**
 * Code that was worth translating: for pages by what is in them ({@link contentsOf}), the offsets at which regions began,
 * of which kind they were, and whether they are doubted. Bounded: what is added first stays.
 */
export class KnownCode {
  /** For contents, by offset what {@link pack} gives. */
  readonly #pages = new Map<number, Map<number, number>>();
  #entries = 0;

  /**
   * Reads what {@link toBytes} gave; of no bytes, nothing.
   *
   * @throws Error with code `ERR_TRANSLATIONS_FORMAT` or `ERR_TRANSLATIONS_VERSION`.
   */
  static read(bytes: Uint8Array): KnownCode {
    const known = new KnownCode();
    if (bytes.length > 0) known.#read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return known;
  }

  #read(view: DataView): void {
    for (let at = 0; at < MAGIC.length; at++) {
      if (at >= view.byteLength || view.getUint8(at) !== MAGIC.charCodeAt(at)) {
        throw malformed(`do not begin with "${MAGIC}"`);
      }
    }
    if (view.byteLength < HEAD_SIZE) throw malformed(`end after ${view.byteLength} bytes`);
    const [version = 0, pages = 0, entries = 0] = [0, 4, 8].map((at) =>
      view.getUint32(MAGIC.length + at, true),
    );
    if (version !== VERSION) {
      const error = new Error(`translations have version ${version}, not ${VERSION}`);
      throw Object.assign(error, { code: "ERR_TRANSLATIONS_VERSION" });
    }
    if (pages > MOST_PAGES) throw malformed(`have ${pages} pages, more than ${MOST_PAGES}`);
    if (entries > MOST_ENTRIES) throw malformed(`have ${entries} entries, more than ${MOST_ENTRIES}`);
    const size = HEAD_SIZE + pages * PAGE_HEAD_SIZE + entries * ENTRY_SIZE;
    if (view.byteLength !== size) {
      throw malformed(
        `are ${view.byteLength} bytes, not the ${size} of ${pages} pages and ${entries} entries`,
      );
    }
    let before = -1;
    let at = HEAD_SIZE;
    let left = entries;
    for (let page = 0; page < pages; page++) {
      const contents = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const count = view.getUint16(at + 8, true);
      if (!Number.isSafeInteger(contents) || contents <= before) {
        throw malformed(`have a page ${page} that is not above the one before it`);
      }
      if (count < 1 || count > Math.min(PAGE_PARCELS, left)) {
        throw malformed(`have a page ${page} of ${count} entries`);
      }
      this.#readPage(view, at + PAGE_HEAD_SIZE, page, contents, count);
      at += PAGE_HEAD_SIZE + count * ENTRY_SIZE;
      left -= count;
      before = contents;
    }
    if (left > 0) throw malformed(`have ${left} entries without a page`);
  }

  #readPage(view: DataView, start: number, page: number, contents: number, count: number): void {
    let before = -1;
    for (let index = 0; index < count; index++) {
      const word = view.getUint16(start + index * ENTRY_SIZE, true);
      const offset = word & OFFSET_BITS;
      const doubt = word >>> DOUBT_SHIFT;
      if (doubt > MOST_DOUBT || offset <= before) {
        throw malformed(`have ${word} as entry ${index} of page ${page}`);
      }
      const patient = (word & PATIENT_BIT) === 0 ? 0 : RegionKind.PATIENT;
      this.add({ contents, offset, kinds: (word & RegionKind.WHOLE) | patient, doubt });
      before = offset;
    }
  }

  /** Whether regions began in pages with these contents, or one at an offset in them. */
  has(contents: number, offset?: number): boolean {
    const page = this.#pages.get(contents);
    return page !== undefined && (offset === undefined || page.has(offset));
  }

  /** Bits of {@link RegionKind} for the region at an offset; 0 where none is known. */
  kindsOf(contents: number, offset: number): number {
    return kindsIn(this.#pages.get(contents)?.get(offset) ?? 0);
  }

  /** Regions that began in pages with these contents; of all pages if none are given. */
  *regions(contents?: number): Generator<KnownRegion> {
    const pages = contents === undefined ? this.#pages.keys() : [contents];
    for (const page of pages) {
      for (const [offset, packed] of this.#pages.get(page) ?? []) {
        yield { contents: page, offset, kinds: kindsIn(packed), doubt: doubtIn(packed) };
      }
    }
  }

  /** Adds a region; of one that is known, kinds, and what the doubt is now. @returns whether anything of that is new. */
  add({ contents, offset, kinds, doubt }: KnownRegion): boolean {
    let entries = this.#pages.get(contents);
    const before = entries?.get(offset);
    if (before === undefined) {
      if (this.#entries >= MOST_ENTRIES) return false;
      if (entries === undefined) {
        if (this.#pages.size >= MOST_PAGES) return false;
        entries = new Map();
        this.#pages.set(contents, entries);
      }
      this.#entries++;
    }
    const packed = pack(kindsIn(before ?? 0) | kinds, doubt);
    entries?.set(offset, packed);
    return packed !== before;
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const { size } = this.#pages;
    const bytes = new Uint8Array(HEAD_SIZE + size * PAGE_HEAD_SIZE + this.#entries * ENTRY_SIZE);
    bytes.set(new TextEncoder().encode(MAGIC));
    const view = new DataView(bytes.buffer);
    let at = MAGIC.length;
    for (const word of [VERSION, size, this.#entries]) {
      view.setUint32(at, word, true);
      at += 4;
    }
    for (const [contents, entries] of [...this.#pages].sort(([a], [b]) => a - b)) {
      view.setUint32(at, contents >>> 0, true);
      view.setUint32(at + 4, Math.floor(contents / 2 ** 32), true);
      view.setUint16(at + 8, entries.size, true);
      at += PAGE_HEAD_SIZE;
      for (const [offset, packed] of [...entries].sort(([a], [b]) => a - b)) {
        const kinds = kindsIn(packed);
        const patient = kinds & RegionKind.PATIENT ? PATIENT_BIT : 0;
        const doubt = doubtIn(packed) << DOUBT_SHIFT;
        view.setUint16(at, offset | (kinds & RegionKind.WHOLE) | patient | doubt, true);
        at += ENTRY_SIZE;
      }
    }
    return bytes;
  }
}

function malformed(what: string): Error {
  return Object.assign(new Error(`translations ${what}`), { code: "ERR_TRANSLATIONS_FORMAT" });
}

/** A named address. */
export interface ProgramSymbol {
  readonly name: string;
  /** Guest virtual address, unsigned 64-bit. */
  readonly address: bigint;
  /** Bytes that belong to it, 0 where nothing says so. */
  readonly size: number;
}

/** A symbol as a file gives it. */
export interface RawSymbol extends ProgramSymbol {
  /** Of several at one address the one with the highest rank names it; of equals the first in the alphabet. */
  readonly rank: number;
}

/** Beyond the last symbol nothing says where it ends: so many bytes count as its. */
const LAST_SYMBOL_BYTES = 4096n;

/** The symbols of a program by address and by name: what lies between two symbols belongs to the first. */
export class SymbolTable implements Iterable<ProgramSymbol> {
  readonly #addresses: BigUint64Array;
  readonly #symbols: readonly ProgramSymbol[];
  #names: Map<string, ProgramSymbol> | undefined;
  readonly #all: readonly RawSymbol[];

  /** @param symbols - In any order. */
  constructor(symbols: Iterable<RawSymbol>) {
    const all = [...symbols].sort(byAddressAndRank);
    this.#all = all;
    this.#symbols = all.filter((symbol, index) => symbol.address !== all[index - 1]?.address);
    this.#addresses = BigUint64Array.from(this.#symbols, ({ address }) => address);
  }

  /** Number of different addresses that have a name. */
  get size(): number {
    return this.#symbols.length;
  }

  /** Symbols in order of address, one for each address. */
  [Symbol.iterator](): Iterator<ProgramSymbol> {
    return this.#symbols[Symbol.iterator]();
  }

  /** The symbol at the address, or the nearest below it; undefined below the first and far beyond the last. */
  find(address: bigint): ProgramSymbol | undefined {
    const index = this.#above(address) - 1;
    const symbol = this.#symbols[index];
    if (symbol === undefined) return undefined;
    if (index < this.#symbols.length - 1) return symbol;
    const size = BigInt(symbol.size);
    const end = symbol.address + (size > LAST_SYMBOL_BYTES ? size : LAST_SYMBOL_BYTES);
    return address < end ? symbol : undefined;
  }

  /** The first symbol above an address. */
  next(address: bigint): ProgramSymbol | undefined {
    return this.#symbols[this.#above(address)];
  }

  /** The symbol of that name; of several the one at the lowest address. */
  named(name: string): ProgramSymbol | undefined {
    this.#names ??= new Map(this.#all.toReversed().map((symbol) => [symbol.name, symbol]));
    return this.#names.get(name);
  }

  /** The same symbols elsewhere: for a position-independent program that was loaded at `distance`. */
  moved(distance: bigint): SymbolTable {
    return new SymbolTable(
      this.#all.map((symbol) => ({ ...symbol, address: BigInt.asUintN(64, symbol.address + distance) })),
    );
  }

  /** Index of the first symbol above an address. */
  #above(address: bigint): number {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#addresses[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function byAddressAndRank(a: RawSymbol, b: RawSymbol): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  if (a.rank !== b.rank) return b.rank - a.rank;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

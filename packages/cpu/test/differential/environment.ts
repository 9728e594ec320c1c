import type { Random } from "../random.ts";
import {
  CODE,
  CODE_BYTES,
  type InputCsr,
  Level1Slot,
  MAX_WINDOWS,
  MSTATUS_BASE,
  RAM_BASE,
  S_VECTOR,
  SCRATCH,
  SCRATCH_PAGES,
  slotAddress,
  Table,
} from "./layout.ts";
import { Pte, pte, SCHEMES, type Scheme } from "./page-tables.ts";
import type { InitialValue, Window } from "./sequence.ts";
import { floatValue, integerValue } from "./values.ts";

/** What a register is for: only `free` ones are written at will, only `pointer` and `wild` ones are addresses. */
export type Role = "zero" | "free" | "pointer" | "wild" | "reserved";

/** A page of data that a sequence can reach, and the entry that maps it. */
export interface DataPage {
  readonly virtual: bigint;
  /** Address of the page-table entry. */
  readonly entry: number;
  /** An entry whose rights every entry for this page has: that of the page before, where its A or D bit is clear. */
  readonly rights: bigint | undefined;
}

/** Where a sequence runs: mode, translation, registers and memory, all drawn at random. */
export interface Environment {
  readonly random: Random;
  readonly mode: 0 | 1 | 3;
  /** The mode that an M-mode sequence may drop to, that an S-mode one runs in, and so on. */
  readonly lower: 0 | 1;
  readonly scheme: Scheme | undefined;
  readonly high: boolean;
  readonly codeVirtual: bigint;
  readonly codePhysical: number;
  readonly roles: readonly Role[];
  readonly x: InitialValue[];
  readonly f: readonly bigint[];
  readonly csrs: Record<InputCsr, bigint>;
  mstatus: bigint;
  readonly windows: Window[];
  readonly pages: DataPage[];
  /** Virtual address of the page table of the data pages, where the sequence can write it. */
  tableVirtual: bigint | undefined;
  /**
   * Whether addresses may lead to where there is no memory. Such sequences have no atomics, whose faults QEMU reports
   * as load access faults there, and no misaligned accesses, of which it reports another part as the faulting one.
   */
  readonly holes: boolean;
  /**
   * Whether an M-mode sequence may set `mstatus.MPRV`. It does not write its own code then: QEMU 7.2 shares TLB
   * entries between instruction fetches and such accesses, so that the page of the code has the fetch's rights.
   */
  readonly modifiesPrivilege: boolean;
  /**
   * The size of every LR and SC. QEMU 7.2 may store, and say that it failed, for an SC.W after an LR.D; whether that
   * succeeds is free (unprivileged specification, section 13.2).
   */
  readonly reservationSize: "w" | "d";
  /**
   * Whether there are PMP entries over parts of the data. No access crosses a page then: QEMU 7.2 checks it as one and
   * reports its start.
   */
  readonly protects: boolean;
  /**
   * The interrupts that may be enabled. Of those that can be pending it has one: QEMU 7.2 takes the one with the lowest
   * number first, the order is another (section 3.1.9).
   */
  readonly interrupts: readonly number[];
  /** Whether the sequence may have instructions that QEMU 7.2 lacks. */
  readonly newer: boolean;
  /** Whether the sequence may write `satp`. */
  readonly switchesTranslation: boolean;
}

/** Physical addresses where the `virt` board has nothing. */
const HOLES: readonly number[] = [0x6_0000, 0x9000_0000, 0x2_0000_0000];

/** Makes an environment for the code at a physical address. */
export function makeEnvironment(random: Random, codePhysical: number, newer: boolean): Environment {
  const mode = random.pick([0, 0, 1, 1, 1, 3, 3] as const);
  const scheme = random.oneIn(3) ? undefined : random.pick(SCHEMES);
  const high = scheme !== undefined && random.oneIn(3);
  const lower = mode === 3 ? random.pick([0, 1] as const) : mode;
  const virtual = (low: bigint): bigint => low + (high && scheme !== undefined ? scheme.high : 0n);
  const codeVirtual =
    scheme === undefined
      ? BigInt(codePhysical)
      : virtual(slotAddress(Level1Slot.CODE) + BigInt(codePhysical - CODE));
  const roles = assignRoles(random);
  const switchesTranslation = mode === 3 || (scheme !== undefined && !high && random.oneIn(6));
  const protects = random.oneIn(4);
  const interrupts = [3, 7, 11, random.pick(SUPERVISOR_INTERRUPTS)];
  const environment: Environment = {
    random,
    newer,
    mode,
    lower,
    scheme,
    high,
    codeVirtual,
    codePhysical,
    roles,
    x: roles.map((role) => (role === "zero" ? 0n : integerValue(random))),
    f: Array.from({ length: 32 }, () => floatValue(random)),
    csrs: makeCsrs(random, mode, scheme, { switchesTranslation, interrupts, virtual }),
    mstatus: makeMstatus(random, mode),
    windows: [],
    pages: [],
    tableVirtual: undefined,
    holes: random.oneIn(4),
    interrupts,
    protects,
    reservationSize: random.pick(["w", "d"] as const),
    modifiesPrivilege: mode === 3 && random.oneIn(2),
    switchesTranslation,
  };
  if (scheme !== undefined) mapPages(environment, virtual);
  roles.forEach((role, register) => {
    if (role === "pointer") environment.x[register] = pointer(environment);
    if (role === "wild") environment.x[register] = wildAddress(environment);
  });
  if (protects) {
    const { configuration, addresses } = pmpValues(environment);
    const [pmpaddr0, pmpaddr1, pmpaddr2, pmpaddr3] = addresses;
    Object.assign(environment.csrs, { pmpaddr0, pmpaddr1, pmpaddr2, pmpaddr3, pmpcfg0: configuration });
  }
  return environment;
}

function shuffle<T>(random: Random, items: readonly T[]): T[] {
  const rest = [...items];
  const shuffled: T[] = [];
  while (rest.length > 0) shuffled.push(...rest.splice(random.below(rest.length), 1));
  return shuffled;
}

function assignRoles(random: Random): Role[] {
  const roles: Role[] = Array.from({ length: 32 }, () => "free");
  roles[0] = "zero";
  roles[2] = "pointer";
  // x8 to x15, which most compressed instructions are limited to.
  const [a, b, c, d] = shuffle(random, [8, 9, 10, 11, 12, 13, 14, 15]) as [number, number, number, number];
  for (const register of [a, b, c]) roles[register] = "pointer";
  roles[d] = "wild";
  const others = shuffle(random, [1, 3, 4, 5, 6, 7, ...Array.from({ length: 16 }, (_, n) => 16 + n)]);
  others.forEach((register, index) => {
    if (index < 2) roles[register] = "pointer";
    else if (index < 3) roles[register] = "wild";
    else if (index < 12) roles[register] = "reserved";
  });
  return roles;
}

/** A bit mask with each of these bits set once in `n` times. */
export function someBits(random: Random, bits: readonly number[], n: number): bigint {
  return bits.reduce((mask, bit) => (random.oneIn(n) ? mask | (1n << BigInt(bit)) : mask), 0n);
}

/** Interrupts that can be delegated. */
export const SUPERVISOR_INTERRUPTS: readonly number[] = [1, 5, 9];

/** `menvcfg.STCE` and ADUE, which are on in every sequence: QEMU updates A and D bits in hardware always. */
export const MENVCFG_BASE: bigint = (1n << 63n) | (1n << 61n);

/** Controls of the cache-block instructions and fences; CBIE 2 is reserved. */
export function environmentControls(random: Random): bigint {
  return someBits(random, [0, 6, 7], 2) | (random.pick([0n, 1n, 3n]) << 4n);
}

/**
 * Exceptions to delegate. An environment call from S-mode stays with the harness, which is called that way; fetch
 * faults do where the S-mode trap vector may be out of reach, since they would repeat for ever.
 */
export function delegation(random: Random, fetchFaults: boolean): bigint {
  const causes = [0, 2, 3, 4, 5, 6, 7, 8, 13, 15, ...(fetchFaults ? [1, 12] : [])];
  return random.oneIn(3) ? 0n : someBits(random, causes, 2);
}

/** Four PMP entries: three over parts of the data, and one that allows everything. */
export function pmpValues({ random, windows }: Environment): {
  configuration: bigint;
  addresses: [bigint, bigint, bigint, bigint];
} {
  const tables = windows.filter((window) => window.address < SCRATCH);
  const address = (): bigint => {
    // Mostly where the sequence has data, so that accesses come near the ends.
    const data = windows.filter((window) => window.address >= SCRATCH);
    const place =
      data.length === 0 || random.oneIn(4)
        ? SCRATCH + 8 * random.below(512 * SCRATCH_PAGES)
        : random.pick(data).address + 4 * (random.below(5) - 2);
    const start = BigInt(Math.max(SCRATCH, place)) >> 2n;
    const ones = (1n << BigInt(random.below(random.pick([2, 12])))) - 1n;
    if (tables.length > 0 && random.oneIn(6)) return BigInt(random.pick(tables).address) >> 2n;
    return (start & ~ones) | (ones >> 1n);
  };
  const entry = (): bigint => {
    // QEMU 7.2 sets A and D bits in tables that may only be read; see the conformance tests. A jump may skip the writing of an
    // address, so that an entry keeps another one, which may be over tables.
    const permissions = random.pick(tables.length > 0 ? [0n, 3n, 7n] : [0n, 1n, 3n, 4n, 5n, 7n]);
    return permissions | (random.pick([0n, 1n, 2n, 3n]) << 3n);
  };
  const [a, b, c] = [address(), address(), address()].sort((x, y) => Number(x - y)) as [
    bigint,
    bigint,
    bigint,
  ];
  const configuration = [0, 1, 2].reduce((all, index) => {
    // A top of range that began below the data would hold code, tables or the trap vector.
    const value = entry();
    const below = [0n, a, b][index] as bigint;
    const shrunk = (value & 0x18n) === 8n && below < BigInt(SCRATCH) >> 2n ? value | 0x10n : value;
    return all | (shrunk << BigInt(8 * index));
  }, 0x1fn << 24n);
  return { configuration, addresses: [a, b, c, (1n << 54n) - 1n] };
}

function makeCsrs(
  random: Random,
  mode: number,
  scheme: Scheme | undefined,
  {
    switchesTranslation,
    interrupts,
    virtual,
  }: Pick<Environment, "switchesTranslation" | "interrupts"> & {
    virtual: (low: bigint) => bigint;
  },
): Record<InputCsr, bigint> {
  const vector = scheme === undefined ? BigInt(S_VECTOR) : virtual(slotAddress(Level1Slot.VECTOR));
  const asid = random.oneIn(2) ? 0n : BigInt(random.below(65536));
  return {
    menvcfg: MENVCFG_BASE | environmentControls(random),
    stimecmp: random.oneIn(6) ? 0n : (1n << 64n) - 1n,
    senvcfg: environmentControls(random),
    mcounteren: BigInt(random.pick([0, 7, 0xffff_ffff, random.bits()])),
    scounteren: BigInt(random.pick([0, 7, 0xffff_ffff, random.bits()])),
    medeleg: delegation(random, mode !== 3 && !switchesTranslation),
    mideleg: random.oneIn(2) ? 0n : someBits(random, SUPERVISOR_INTERRUPTS, 2),
    mie: random.oneIn(3) ? someBits(random, interrupts, 2) : 0n,
    mip: random.oneIn(3) ? someBits(random, [1, 9], 2) : 0n,
    pmpaddr0: (1n << 54n) - 1n,
    pmpaddr1: 0n,
    pmpaddr2: 0n,
    pmpaddr3: 0n,
    pmpcfg0: 0x1fn,
    stvec: vector | BigInt(random.below(2)),
    sepc: random.bits64() & ~1n,
    scause: integerValue(random),
    stval: integerValue(random),
    satp: scheme === undefined ? 0n : satpValue(scheme, asid),
    fcsr: BigInt(random.pick([0, 0, 1, 2, 3, 4, 5, 7]) * 32 + (random.oneIn(2) ? 0 : random.below(32))),
  };
}

/** `satp` for one of the schemes. */
export function satpValue({ mode, root }: Scheme, asid: bigint): bigint {
  return (BigInt(mode) << 60n) | (asid << 44n) | BigInt(root / 4096);
}

function makeMstatus(random: Random, mode: number): bigint {
  let value = MSTATUS_BASE | (BigInt(mode) << 11n);
  // MPIE and SIE; SPIE, SPP; SUM and MXR; TVM, TW, TSR.
  value |=
    someBits(random, [1, 7], 3) | someBits(random, [5, 8, 18, 19], 2) | someBits(random, [20, 21, 22], 5);
  if (random.oneIn(10)) value &= ~0x6000n;
  return value;
}

/** Flags of a leaf: mostly usable from `user` or supervisor code, else any. */
function leafFlags(random: Random, user: boolean, code: boolean): number {
  if (random.oneIn(code ? 25 : 4)) return random.bits() & 0xff & ~(random.oneIn(2) ? Pte.A | Pte.D : 0);
  const { V, R, W, X, U, A, D } = Pte;
  const base = V | (user ? U : 0) | (random.oneIn(6) ? 0 : A | D);
  if (code) return base | X | (random.oneIn(3) ? 0 : R) | (random.oneIn(2) ? R | W : 0);
  return base | R | W | (random.oneIn(4) ? X : 0);
}

/** An entry for a page of data: rarely with reserved bits or a page outside RAM. */
function dataEntry({ random, lower, holes }: Environment): bigint {
  const user = lower === 0;
  const page = holes && random.oneIn(10) ? random.pick(HOLES) : SCRATCH + 4096 * random.below(SCRATCH_PAGES);
  const reserved = random.oneIn(40) ? 1n << BigInt(54 + random.below(7)) : 0n;
  return pte(page, leafFlags(random, user, false)) | reserved;
}

const USED = BigInt(Pte.A | Pte.D);

/** An entry with its A and D bits set, if it is valid. */
function withUsed(value: bigint): bigint {
  return (value & 1n) === 0n ? value : value | USED;
}

/**
 * Another entry for a page, with its A and D bits set. A store that crosses into a page where it faults sets A and D of
 * the first page on QEMU, and nothing here (section 4.3.1: D is not set speculatively). Where they are clear both pages
 * have the same rights, and keep them: otherwise an edit of the second page would make such a store of an ordinary one.
 */
export function replacementEntry(environment: Environment, { rights }: DataPage): bigint {
  return withUsed(rights === undefined ? dataEntry(environment) : sameRights(environment, rights));
}

/** An entry for another page, with the flags of this one. */
function sameRights({ random }: Environment, value: bigint): bigint {
  const flags = value & ~(((1n << 44n) - 1n) << 10n);
  return flags | pte(SCRATCH + 4096 * random.below(SCRATCH_PAGES), 0);
}

function mapPages(environment: Environment, virtual: (low: bigint) => bigint): void {
  const { random, windows, pages, codePhysical, lower } = environment;
  const user = lower === 0;
  const first = Math.floor((codePhysical - CODE) / 4096);
  const last = Math.floor((codePhysical + CODE_BYTES - CODE) / 4096);
  for (let page = first; page <= last; page++) {
    windows.push({
      address: Table.CODE + 8 * page,
      value: pte(CODE + 4096 * page, leafFlags(random, user, true)),
    });
  }
  const map = (index: number, value: bigint, rights?: bigint): void => {
    const entry = Table.DATA + 8 * index;
    windows.push({ address: entry, value });
    pages.push({ virtual: virtual(slotAddress(Level1Slot.DATA) + BigInt(4096 * index)), entry, rights });
  };
  // Pairs of neighbours, so that accesses can cross from one to the other.
  const indexes = new Set<number>();
  while (indexes.size < 3) indexes.add(2 + 2 * random.below(249));
  for (const index of indexes) {
    const value = dataEntry(environment);
    map(index, value);
    // See replacementEntry for the rights of the second one.
    const used = (value & USED) === USED || (value & 1n) === 0n;
    const rights = used ? undefined : value;
    map(index + 1, withUsed(used ? dataEntry(environment) : sameRights(environment, value)), rights);
    // Another sequence may have left anything around them.
    for (const [neighbour, pair] of [
      [index - 1, index - 2],
      [index + 2, index + 2],
    ] as const) {
      if (!indexes.has(pair)) windows.push({ address: Table.DATA + 8 * neighbour, value: 0n });
    }
  }
  // A superpage of 2 MiB, and a level-1 entry of any kind.
  const anyFlags = leafFlags(random, user, false);
  const flags = (anyFlags & (Pte.R | Pte.X)) === 0 ? anyFlags | Pte.R : anyFlags;
  windows.push({ address: Table.LEVEL1 + 8 * Level1Slot.SUPERPAGE, value: pte(RAM_BASE, flags) });
  // Not a table where there is no memory: QEMU 7.2 takes that for a page fault, it is an access fault (section 4.3.2).
  const odd = random.pick([
    pte(SCRATCH, leafFlags(random, user, false) | Pte.R),
    pte(Table.DATA, Pte.V | random.pick([0, Pte.A, Pte.D, Pte.U, Pte.G])),
    random.bits64() & ~1n,
    0n,
  ]);
  windows.push({ address: Table.LEVEL1 + 8 * Level1Slot.ODD, value: odd });
  if (random.oneIn(3)) {
    const index = 505;
    map(index, pte(Table.DATA, Pte.V | Pte.R | Pte.W | Pte.A | Pte.D | (user ? Pte.U : 0)));
    environment.tableVirtual = pages.pop()?.virtual;
  }
}

/** An offset in a page: mostly aligned, at times near the end. */
function pageOffset({ random, holes, protects }: Environment): number {
  if (protects) return 8 * (128 + random.below(256));
  if (holes) return 8 * random.below(512);
  const base = random.oneIn(3) ? 4096 - random.pick([1, 2, 4, 6, 8, 12, 16]) : 8 * (4 + random.below(500));
  return random.oneIn(5) ? Math.min(4095, base + random.below(8)) : base;
}

function pointer(environment: Environment): bigint {
  const { random, mode, scheme, high, windows, pages, holes } = environment;
  const offset = pageOffset(environment);
  const physical = SCRATCH + 4096 * random.below(SCRATCH_PAGES - 1) + offset;
  const view = (address: number): void => {
    for (const near of [0, 8]) {
      const aligned = (address & ~7) + near;
      if (aligned < 0 || windows.length >= MAX_WINDOWS - 1) continue;
      windows.push({ address: aligned >>> 0, value: integerValue(random) });
    }
  };
  if (scheme === undefined || (mode === 3 && (!holes || random.oneIn(2)))) {
    view(physical);
    return BigInt(physical);
  }
  const upper = high ? scheme.high : 0n;
  switch (random.below(12)) {
    case 0:
      view(physical);
      return upper + slotAddress(Level1Slot.SUPERPAGE) + BigInt(physical - RAM_BASE);
    case 1:
      view(physical);
      return upper + BigInt(physical);
    case 2:
      return upper + slotAddress(Level1Slot.ODD) + BigInt(offset);
    default: {
      const { virtual, entry } = random.pick(pages);
      const mapped = windows.find(({ address }) => address === entry)?.value ?? 0n;
      const page = Number((mapped >> 10n) & ((1n << 44n) - 1n)) * 4096;
      if (page >= SCRATCH && page < SCRATCH + 4096 * SCRATCH_PAGES) view(page + offset);
      return virtual + BigInt(offset);
    }
  }
}

function wildAddress({ random, holes }: Environment): bigint {
  const value = random.pick([
    0n,
    holes ? BigInt(random.pick(HOLES)) : 4096n,
    1n << BigInt(36 + random.below(28)),
    0xffff_ffff_ffff_f000n,
    0x0000_1234_5678_9000n,
    random.bits64() | (1n << 60n),
    ...SCHEMES.map(({ high }) => high),
    0x7f_ffff_f000n,
  ]);
  return BigInt.asUintN(64, holes ? value & ~7n : value + BigInt(random.oneIn(3) ? random.below(8) : 0));
}

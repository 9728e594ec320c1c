import type { GuestMemory } from "@isomorph/interface";
import { Access } from "../src/index.ts";
import { FAULT, MACHINE, SUPERVISOR, USER } from "./harness.ts";

/** What translation depends on besides memory. */
export interface Environment {
  readonly mode: number;
  readonly satp: bigint;
  readonly sum: boolean;
  readonly mxr: boolean;
  /** Whether the hart updates A and D bits. */
  readonly adue: boolean;
  /** In the order of entries; bounds are the first and the last byte. */
  readonly pmp: readonly { first: bigint; last: bigint; rights: number; locked: boolean }[];
}

export type Translation = { address: bigint; newPte?: { at: bigint; value: bigint } } | { cause: number };

const ACCESS_FAULT = [FAULT.loadAccess, FAULT.storeAccess, FAULT.fetchAccess];
const PAGE_FAULT = [FAULT.loadPage, FAULT.storePage, FAULT.fetchPage];

const bit = (value: bigint, index: number): boolean => ((value >> BigInt(index)) & 1n) === 1n;

/** Section 3.7.1: the entry of lowest number that touches any byte decides, and must match all bytes. */
function pmpAllows(
  { pmp }: Environment,
  address: bigint,
  size: bigint,
  access: number,
  mode: number,
): boolean {
  const last = address + size - 1n;
  const entry = pmp.find((candidate) => candidate.first <= last && candidate.last >= address);
  if (entry === undefined) return mode === MACHINE;
  if (entry.first > address || entry.last < last) return false;
  if (mode === MACHINE && !entry.locked) return true;
  return ((entry.rights >> access) & 1) === 1;
}

/**
 * The steps of section 4.3.2 in their order and in the manual's terms, with nothing cached: the judge of walker and
 * TLB. The access lies within a page.
 */
export function translate(
  memory: GuestMemory,
  environment: Environment,
  va: bigint,
  size: number,
  access: number,
): Translation {
  const accessFault = { cause: ACCESS_FAULT[access] ?? -1 };
  const pageFault = { cause: PAGE_FAULT[access] ?? -1 };
  const { satp, mode } = environment;
  const inRam = (address: bigint): boolean =>
    address >= BigInt(memory.base) && address < BigInt(memory.base + memory.size);
  const finish = (address: bigint, newPte?: { at: bigint; value: bigint }): Translation => {
    const isAllowed = pmpAllows(environment, address, BigInt(size), access, mode);
    if (!isAllowed || address >> 56n !== 0n) return accessFault;
    if (access === Access.FETCH && !inRam(address)) return accessFault;
    return newPte === undefined ? { address } : { address, newPte };
  };

  const scheme = Number(satp >> 60n);
  if (mode === MACHINE || scheme === 0) return finish(va);
  const levels = { 8: 3, 9: 4, 10: 5 }[scheme];
  if (levels === undefined) return pageFault;
  const width = 12 + 9 * levels;
  if (BigInt.asUintN(64, BigInt.asIntN(width, va)) !== va) return pageFault;

  let a = (satp & ((1n << 44n) - 1n)) * 4096n;
  for (let i = levels - 1; i >= 0; i--) {
    const vpn = (va >> BigInt(12 + 9 * i)) % 512n;
    const at = a + vpn * 8n;
    if (!inRam(at) || !pmpAllows(environment, at, 8n, Access.READ, SUPERVISOR)) return accessFault;
    const pte = memory.data.getBigUint64(Number(at) - memory.base, true);
    const [v, r, w, x, u] = [0, 1, 2, 3, 4].map((index) => bit(pte, index));
    if (!v || (!r && w) || pte >> 54n !== 0n) return pageFault;
    const ppn = (pte >> 10n) & ((1n << 44n) - 1n);
    if (!r && !x) {
      if (bit(pte, 4) || bit(pte, 6) || bit(pte, 7)) return pageFault;
      a = ppn * 4096n;
      continue;
    }
    if (mode === USER && !u) return pageFault;
    if (mode === SUPERVISOR && u && (access === Access.FETCH || !environment.sum)) return pageFault;
    const granted = [r || (environment.mxr && x), w, x][access];
    if (!granted) return pageFault;
    if (ppn % 512n ** BigInt(i) !== 0n) return pageFault;
    const offsetBits = BigInt(12 + 9 * i);
    const address = (((ppn * 4096n) >> offsetBits) << offsetBits) | (va & ((1n << offsetBits) - 1n));
    const wanted = access === Access.WRITE ? 0xc0n : 0x40n;
    if ((pte & wanted) === wanted) return finish(address);
    if (!environment.adue) return pageFault;
    if (!pmpAllows(environment, at, 8n, Access.WRITE, SUPERVISOR)) return accessFault;
    return finish(address, { at, value: pte | wanted });
  }
  return pageFault;
}

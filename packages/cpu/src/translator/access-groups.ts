import { FIELDS } from "../isa/fields.ts";
import { Opcode } from "../isa/instruction.ts";
import type { AccessSize } from "../isa/semantics.ts";
import type { DecodedInstruction } from "./code-reader.ts";

/** Accesses of a segment at known distances from one another, which one check of the TLB can allow together. */
export interface AccessGroup {
  /** A register at the start of the segment and the distance from it to the first byte of the group. */
  readonly register: number;
  readonly from: number;
  /** Distance from the first byte to the one that the check looks at, so that all lie in one page. */
  readonly reach: number;
  /** Alignment that the accesses need, a power of two. */
  readonly alignment: AccessSize;
  /** Whether there are stores among them. */
  readonly writes: boolean;
  /** Index of one of the instructions, a store if there are any. */
  readonly member: number;
}

/** Where an access in a group finds its operand: which group, and the distance from its first byte. */
export interface GroupedAccess {
  readonly group: number;
  readonly offset: number;
}

/** A run of instructions of a block whose groups are checked before it. */
export interface Segment {
  /** Indices of its first instruction and of the one after its last. */
  readonly start: number;
  readonly end: number;
  readonly groups: readonly AccessGroup[];
  /** The accesses in groups, by index of the instruction. */
  readonly grouped: ReadonlyMap<number, GroupedAccess>;
}

/** Groups that reach farther are likely to cross a page. */
const MAX_SPAN = 1024;

const NOTHING: ReadonlyMap<number, GroupedAccess> = new Map();

/**
 * Where the registers' values lie as a block is followed: each is an origin plus an offset. Origins below 32 are the
 * registers at the block's start; each value that nothing is known of is a new one.
 */
class Places {
  readonly origin: Int32Array = new Int32Array(32);
  readonly offset: Int32Array = new Int32Array(32);
  #origins = 32;

  reset(): void {
    for (let register = 0; register < 32; register++) this.origin[register] = register;
    this.offset.fill(0);
    this.#origins = 32;
  }

  copy(other: Places): void {
    this.origin.set(other.origin);
    this.offset.set(other.offset);
  }

  /** Follows an instruction that writes a register. */
  step({ word }: DecodedInstruction): void {
    const rd = (word >>> 7) & 31;
    const { origin, offset } = this;
    if ((word & 0x707f) === Opcode.OP_IMM) {
      // addi
      const source = (word >>> 15) & 31;
      if (source !== 0) {
        offset[rd] = (offset[source] as number) + (word >> 20);
        origin[rd] = origin[source] as number;
        return;
      }
    } else if ((word & 0xfe0ff07f) >>> 0 === Opcode.OP) {
      // `add rd, x0, rs2`: how `c.mv` expands.
      const source = (word >>> 20) & 31;
      if (source !== 0) {
        offset[rd] = offset[source] as number;
        origin[rd] = origin[source] as number;
        return;
      }
    }
    origin[rd] = this.#origins++;
    offset[rd] = 0;
  }

  /** A register with a value of this origin, 0 if there is none. */
  holder(origin: number): number {
    for (let register = 1; register < 32; register++) if (this.origin[register] === origin) return register;
    return 0;
  }
}

const places = new Places();
const placesAtStart = new Places();

/** A plain load or store of the block under way. */
interface Access {
  readonly index: number;
  readonly origin: number;
  readonly offset: number;
  readonly size: AccessSize;
  readonly isStore: boolean;
}

/** Cuts the first `count` instructions of a block into segments and finds their groups of accesses. */
export function accessGroups(instructions: readonly DecodedInstruction[], count: number): readonly Segment[] {
  const accesses = findAccesses(instructions, count);
  if (accesses.length < 2) return [{ start: 0, end: count, groups: [], grouped: NOTHING }];
  const left = new Map<number, number>();
  for (const { origin } of accesses) left.set(origin, (left.get(origin) ?? 0) + 1);
  const segments: Segment[] = [];
  let start = 0;
  let firstAccess = 0;
  let nextAccess = 0;
  const close = (end: number): void => {
    if (end > start) segments.push(segmentOf(start, end, accesses.slice(firstAccess, nextAccess)));
    start = end;
    firstAccess = nextAccess;
    placesAtStart.copy(places);
  };
  places.reset();
  placesAtStart.reset();
  for (let index = 0; index < count; index++) {
    const current = instructions[index] as DecodedInstruction;
    const access = accesses[nextAccess];
    if (access?.index === index) {
      const remaining = left.get(access.origin) as number;
      left.set(access.origin, remaining - 1);
      if (remaining >= 2 && placesAtStart.holder(access.origin) === 0) close(index);
      nextAccess++;
    }
    if (current.instruction.flow === "system") close(index + 1);
    if (current.written !== 0) places.step(current);
  }
  close(count);
  return segments;
}

/**
 * The first `count` instructions of a block as one segment with all their accesses in groups, each of a register at the
 * block's start, so that they can be checked before it. Undefined where that cannot be.
 */
export function accessesFromStart(
  instructions: readonly DecodedInstruction[],
  count: number,
): Segment | undefined {
  const accesses = findAccesses(instructions, count);
  placesAtStart.reset();
  const segment = segmentOf(0, count, accesses, 1);
  return segment.grouped.size === accesses.length ? segment : undefined;
}

/** How many instructions come before a transfer at the end. */
export function bodyOf(instructions: readonly DecodedInstruction[]): number {
  return instructions.length - (instructions.at(-1)?.transfer === undefined ? 0 : 1);
}

function findAccesses(instructions: readonly DecodedInstruction[], count: number): readonly Access[] {
  const accesses: Access[] = [];
  places.reset();
  for (let index = 0; index < count; index++) {
    const current = instructions[index] as DecodedInstruction;
    const { word } = current;
    const opcode = word & 0x7f;
    const isStore = opcode === Opcode.STORE || opcode === Opcode.STORE_FP;
    const base = (word >>> 15) & 31;
    if ((isStore || opcode === Opcode.LOAD || opcode === Opcode.LOAD_FP) && base !== 0) {
      const offset = isStore ? FIELDS.immS.decode(word) : word >> 20;
      accesses.push({
        index,
        origin: places.origin[base] as number,
        offset: (places.offset[base] as number) + offset,
        size: (1 << ((word >>> 12) & 3)) as AccessSize,
        isStore,
      });
    }
    if (current.written !== 0) places.step(current);
  }
  return accesses;
}

/** Finds the groups of a segment, of at least so many accesses; registers are at its start as in `placesAtStart`. */
function segmentOf(start: number, end: number, accesses: readonly Access[], least: 1 | 2 = 2): Segment {
  if (accesses.length < least) return { start, end, groups: [], grouped: NOTHING };
  const byOrigin = new Map<number, Access[]>();
  for (const access of accesses) {
    const others = byOrigin.get(access.origin);
    if (others === undefined) byOrigin.set(access.origin, [access]);
    else others.push(access);
  }
  const groups: AccessGroup[] = [];
  const grouped = new Map<number, GroupedAccess>();
  for (const [origin, members] of byOrigin) {
    const register = members.length < least ? 0 : placesAtStart.holder(origin);
    if (register === 0) continue;
    let widest = members[0] as Access;
    for (const member of members) if (member.size > widest.size) widest = member;
    const alignment = widest.size;
    // The check finds all of them aligned or none.
    const phase = widest.offset & (alignment - 1);
    const fitting = members.filter(({ offset, size }) => ((offset - phase) & (size - 1)) === 0);
    const first = fitting.reduce((least, { offset }) => Math.min(least, offset), widest.offset);
    const near = fitting.filter(({ offset }) => offset - first < MAX_SPAN);
    if (near.length < least) continue;
    const lowest = floor(first - phase, alignment) + phase;
    let highest = lowest;
    let writes = false;
    let member = (near[0] as Access).index;
    for (const { index, offset, size, isStore } of near) {
      highest = Math.max(highest, floor(offset + size - 1 - phase, alignment) + phase);
      if (isStore && !writes) member = index;
      writes ||= isStore;
      grouped.set(index, { group: groups.length, offset: offset - lowest });
    }
    const from = lowest - (placesAtStart.offset[register] as number);
    groups.push({ register, from, reach: highest - lowest, alignment, writes, member });
  }
  return { start, end, groups, grouped };
}

function floor(value: number, alignment: number): number {
  return value & -alignment;
}

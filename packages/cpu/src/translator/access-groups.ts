import { FIELDS } from "../isa/fields.ts";
import { Opcode } from "../isa/instruction.ts";
import type { AccessSize } from "../isa/semantics.ts";
import type { DecodedInstruction } from "./region.ts";
import { registerWritten } from "./registers.ts";

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
}

/** A run of instructions of a block whose groups are checked before it. */
export interface Segment {
  /** Indices of its first instruction and of the one after its last. */
  readonly start: number;
  readonly end: number;
  readonly groups: readonly AccessGroup[];
  /** For the accesses in groups: which group, and the distance from its first byte. */
  readonly grouped: ReadonlyMap<number, { readonly group: number; readonly offset: number }>;
}

interface Access {
  readonly index: number;
  /** What the address is relative to: a number for each value of a register that nothing is known of. */
  readonly origin: number;
  readonly offset: number;
  readonly size: AccessSize;
  readonly isStore: boolean;
}

/** Where a register's value lies: `origin + offset`. */
interface Place {
  readonly origin: number;
  readonly offset: number;
}

/** Groups that reach farther are likely to cross a page. */
const MAX_SPAN = 1024;

const ADDI = Opcode.OP_IMM;

/** Cuts a block into segments and finds their groups of accesses. */
export function accessGroups(instructions: readonly DecodedInstruction[]): readonly Segment[] {
  const places: Place[] = Array.from({ length: 32 }, (_, origin) => ({ origin, offset: 0 }));
  let origins = 32;
  let snapshot = [...places];
  let accesses: Access[] = [];
  const segments: Segment[] = [];
  let start = 0;
  const close = (end: number): void => {
    if (end > start) segments.push(segmentOf(start, end, accesses, snapshot));
    start = end;
    accesses = [];
    snapshot = [...places];
  };
  const uses = countUses(instructions);
  const left = new Map(uses);
  instructions.forEach((instruction, index) => {
    const { word } = instruction;
    const shape = accessShape(instruction);
    if (shape !== undefined) {
      const base = places[FIELDS.rs1.decode(word)] as Place;
      const remaining = left.get(base.origin) ?? 0;
      left.set(base.origin, remaining - 1);
      const isKnown = snapshot.some(({ origin }, register) => register > 0 && origin === base.origin);
      if (!isKnown && remaining >= 2) close(index);
      accesses.push({ index, origin: base.origin, offset: base.offset + shape.offset, ...shape.kind });
    }
    if (instruction.instruction.flow === "system") close(index + 1);
    const written = registerWritten(instruction);
    if (written === 0) return;
    const rd = FIELDS.rd.decode(word);
    places[rd] = derivedPlace(instruction, places) ?? { origin: origins++, offset: 0 };
  });
  close(instructions.length);
  return segments;
}

/** How many accesses there are relative to each origin; origins are numbered as in {@link accessGroups}. */
function countUses(instructions: readonly DecodedInstruction[]): Map<number, number> {
  const places: Place[] = Array.from({ length: 32 }, (_, origin) => ({ origin, offset: 0 }));
  let origins = 32;
  const uses = new Map<number, number>();
  for (const instruction of instructions) {
    if (accessShape(instruction) !== undefined) {
      const { origin } = places[FIELDS.rs1.decode(instruction.word)] as Place;
      uses.set(origin, (uses.get(origin) ?? 0) + 1);
    }
    if (registerWritten(instruction) === 0) continue;
    const rd = FIELDS.rd.decode(instruction.word);
    places[rd] = derivedPlace(instruction, places) ?? { origin: origins++, offset: 0 };
  }
  return uses;
}

/** Where the result of an instruction lies if it is another register's value plus a constant. */
function derivedPlace({ word }: DecodedInstruction, places: readonly Place[]): Place | undefined {
  if ((word & 0x707f) === ADDI) {
    const source = FIELDS.rs1.decode(word);
    if (source === 0) return undefined;
    const { origin, offset } = places[source] as Place;
    return { origin, offset: offset + FIELDS.immI.decode(word) };
  }
  // `add rd, x0, rs2`: how `c.mv` expands.
  if ((word & 0xfe0ff07f) >>> 0 === Opcode.OP) {
    const source = FIELDS.rs2.decode(word);
    return source === 0 ? undefined : places[source];
  }
  return undefined;
}

/** The offset, size and kind of a plain load or store. */
function accessShape({
  word,
}: DecodedInstruction):
  | { readonly offset: number; readonly kind: { readonly size: AccessSize; readonly isStore: boolean } }
  | undefined {
  const opcode = word & 0x7f;
  const isStore = opcode === Opcode.STORE || opcode === Opcode.STORE_FP;
  if (!isStore && opcode !== Opcode.LOAD && opcode !== Opcode.LOAD_FP) return undefined;
  if (FIELDS.rs1.decode(word) === 0) return undefined;
  const size = (1 << ((word >>> 12) & 3)) as AccessSize;
  const offset = isStore ? FIELDS.immS.decode(word) : FIELDS.immI.decode(word);
  return { offset, kind: { size, isStore } };
}

function segmentOf(
  start: number,
  end: number,
  accesses: readonly Access[],
  places: readonly Place[],
): Segment {
  const byOrigin = new Map<number, Access[]>();
  for (const access of accesses) {
    const others = byOrigin.get(access.origin);
    if (others === undefined) byOrigin.set(access.origin, [access]);
    else others.push(access);
  }
  const groups: AccessGroup[] = [];
  const grouped = new Map<number, { group: number; offset: number }>();
  for (const [origin, members] of byOrigin) {
    const register = places.findIndex((place, index) => index > 0 && place.origin === origin);
    if (register < 0) continue;
    const alignment = Math.max(...members.map(({ size }) => size)) as AccessSize;
    // The check finds all of them aligned or none.
    const phase = (members.find(({ size }) => size === alignment) as Access).offset & (alignment - 1);
    const fitting = members.filter(({ offset, size }) => ((offset - phase) & (size - 1)) === 0);
    const first = Math.min(...fitting.map(({ offset }) => offset));
    const near = fitting.filter(({ offset }) => offset - first < MAX_SPAN);
    if (near.length < 2) continue;
    const lowest = floor(first - phase, alignment) + phase;
    const highest = Math.max(...near.map(({ offset, size }) => floor(offset + size - 1 - phase, alignment)));
    for (const { index, offset } of near)
      grouped.set(index, { group: groups.length, offset: offset - lowest });
    groups.push({
      register,
      from: lowest - (places[register] as Place).offset,
      reach: highest + phase - lowest,
      alignment,
      writes: near.some(({ isStore }) => isStore),
    });
  }
  return { start, end, groups, grouped };
}

function floor(value: number, alignment: number): number {
  return value - (((value % alignment) + alignment) % alignment);
}

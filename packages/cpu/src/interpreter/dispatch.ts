import type { Code, I32, Label, Var } from "@isomorph/wasm";

/** What is told apart by the bits of an instruction. */
export interface Encoding {
  readonly name: string;
  readonly match: number;
  readonly mask: number;
  /** Sets of bits that must not all be zero. */
  readonly nonzero?: readonly number[];
}

/** Instructions of which a word may be one, and what becomes of it. */
export interface Choice<T extends Encoding> {
  readonly code: Code;
  readonly word: Var<"i32">;
  /** Where control goes when it is none of them. */
  readonly none: Label;
  /** Emits what the instruction does; control must leave, not fall through. */
  readonly emit: (instruction: T) => void;
}

/** What a jump table leads to. */
interface Target {
  readonly key: string;
  readonly none: Label;
  readonly emit: (() => void) | undefined;
}

/** Bits of the instruction word on which a jump table can be built. */
const TABLE_FIELDS = [
  { shift: 25, width: 7 },
  { shift: 26, width: 6 },
  { shift: 27, width: 5 },
  { shift: 12, width: 3 },
  { shift: 20, width: 5 },
  { shift: 10, width: 2 },
  { shift: 5, width: 2 },
  { shift: 12, width: 1 },
] as const;

/** Up to this many instructions are told apart by one comparison after the other. */
const CHAIN_LENGTH = 3;

const OPCODE = 0x7f;
const FUNCT3 = 0x7000;
/** Bits that tell 16-bit instructions apart first. */
const SHORT_OPCODE = 0xe003;

/**
 * Emits the decoder of words: control goes to the one instruction that the word is. The first jump table takes the major
 * opcode with funct3; what shares an entry is told apart by further tables or comparisons, all derived from the masks.
 */
export function emitDispatch<T extends Encoding>(choice: Choice<T>, instructions: readonly T[]): void {
  const { code, word } = choice;
  const { i32 } = code;
  const index = (): I32 =>
    i32.or(i32.and(i32.shrU(word.get(), 2), 31), i32.and(i32.shrU(word.get(), 7), 0xe0));
  const targets = Array.from({ length: 256 }, (_, entry) => {
    const bits = ((entry & 31) << 2) | 3 | ((entry >> 5) << 12);
    return byOpcode(choice, instructions, bits);
  });
  emitTable(code, targets, index);
}

/**
 * Emits the decoder of what may be 16-bit instructions and of words at once, by one jump table: which of the two comes next
 * cannot be foretold. Of the former the upper half of the word is anything.
 */
export function emitParcelDispatch<S extends Encoding, T extends Encoding>(
  short: Choice<S>,
  shortInstructions: readonly S[],
  long: Choice<T>,
  instructions: readonly T[],
): void {
  const { code, word } = long;
  const { i32 } = code;
  const index = (): I32 => i32.or(i32.and(word.get(), OPCODE), i32.and(i32.shrU(word.get(), 5), 0xf << 7));
  const targets = new Map<number, Target>();
  const targetAt = (bits: number): Target => {
    if ((bits & 3) === 3) return byOpcode(long, instructions, bits);
    const candidates = shortInstructions.filter(
      ({ match, mask }) => ((match ^ bits) & mask & SHORT_OPCODE) === 0,
    );
    return targetOf(short, candidates, SHORT_OPCODE);
  };
  const entries = Array.from({ length: 2048 }, (_, entry) => {
    const parcel = (entry & OPCODE) | ((entry >> 7) << 12);
    const bits = parcel & ((parcel & 3) === 3 ? OPCODE | FUNCT3 : SHORT_OPCODE);
    const target = targets.get(bits) ?? targetAt(bits);
    targets.set(bits, target);
    return target;
  });
  emitTable(code, entries, index);
}

/** The instructions with these bits for the opcode and funct3. */
function byOpcode<T extends Encoding>(choice: Choice<T>, instructions: readonly T[], bits: number): Target {
  const sameOpcode = instructions.filter(({ match }) => ((match ^ bits) & OPCODE) === 0);
  // Where funct3 is an operand of some (a rounding mode), all of the opcode share one target.
  if (sameOpcode.some(({ mask }) => (mask & FUNCT3) !== FUNCT3)) return targetOf(choice, sameOpcode, OPCODE);
  const same = sameOpcode.filter(({ match }) => ((match ^ bits) & FUNCT3) === 0);
  return targetOf(choice, same, OPCODE | FUNCT3);
}

/** @param known - Bits of the word that have been looked at. */
function targetOf<T extends Encoding>(choice: Choice<T>, candidates: readonly T[], known: number): Target {
  const emit = candidates.length > 0 ? () => emitGroup(choice, candidates, known) : undefined;
  return { key: candidates.map(({ name }) => name).join(), none: choice.none, emit };
}

/** One jump table; entries with the same candidates share a target. */
function emitTable(code: Code, entries: readonly Target[], index: () => I32): void {
  const targets = new Map<string, () => void>();
  for (const { key, emit } of entries) if (emit !== undefined) targets.set(key, emit);
  const order = [...targets];
  const labels = new Map<string, Label>();
  for (const [key] of order.toReversed()) labels.set(key, code.beginBlock());
  const label = ({ key, none }: Target): Label => labels.get(key) ?? none;
  code.brTable(index(), entries.map(label), label(entries[0] as Target));
  for (const [, emit] of order) {
    code.end();
    emit();
  }
}

/** Emits the choice among instructions that the tables before could not tell apart. */
function emitGroup<T extends Encoding>(choice: Choice<T>, candidates: readonly T[], known: number): void {
  const { code, word, none, emit } = choice;
  const { i32 } = code;
  const field = candidates.length > CHAIN_LENGTH ? bestField(candidates) : undefined;
  if (field !== undefined) {
    const fieldMask = 2 ** field.width - 1;
    const entries = Array.from({ length: fieldMask + 1 }, (_, value) => {
      const same = candidates.filter(({ match }) => ((match >>> field.shift) & fieldMask) === value);
      return targetOf(choice, same, known | (fieldMask << field.shift));
    });
    emitTable(code, entries, () => i32.and(i32.shrU(word.get(), field.shift), fieldMask));
    return;
  }
  for (const candidate of candidates) {
    const { match, mask, nonzero = [] } = candidate;
    const rest = mask & ~known;
    const bits = rest === 0 ? [] : [i32.eq(i32.and(word.get(), rest), match & rest)];
    const [first, ...others] = [...bits, ...nonzero.map((set) => i32.ne(i32.and(word.get(), set), 0))];
    if (first === undefined) {
      emit(candidate);
      return;
    }
    code.if(
      others.reduce((all, one) => i32.and(all, one), first),
      () => emit(candidate),
    );
  }
  code.br(none);
}

/** The field that all candidates fix and that splits them best. */
function bestField(candidates: readonly Encoding[]): (typeof TABLE_FIELDS)[number] | undefined {
  let best: (typeof TABLE_FIELDS)[number] | undefined;
  let bestCount = 1;
  for (const field of TABLE_FIELDS) {
    const bits = ((2 ** field.width - 1) << field.shift) >>> 0;
    if (candidates.some(({ mask }) => (mask & bits) >>> 0 !== bits)) continue;
    const count = new Set(candidates.map(({ match }) => (match & bits) >>> 0)).size;
    if (count > bestCount) {
      best = field;
      bestCount = count;
    }
  }
  return best;
}

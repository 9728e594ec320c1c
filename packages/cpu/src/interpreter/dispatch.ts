import type { Code, I32, Label, Var } from "@isomorph/wasm";
import type { Instruction } from "../isa/instruction.ts";

/** Bits of the instruction word on which a jump table can be built. */
const TABLE_FIELDS = [
  { shift: 25, width: 7 },
  { shift: 26, width: 6 },
  { shift: 27, width: 5 },
  { shift: 12, width: 3 },
  { shift: 20, width: 5 },
] as const;

/** Up to this many instructions are told apart by one comparison after the other. */
const CHAIN_LENGTH = 3;

interface Dispatch {
  readonly code: Code;
  readonly word: Var<"i32">;
  readonly illegal: Label;
  /** Emits what the instruction does; control must leave, not fall through. */
  readonly emit: (instruction: Instruction) => void;
}

/**
 * Emits the decoder: control goes to the one instruction that the word is, or to `illegal`. The first jump table takes
 * the major opcode with funct3; what shares an entry is told apart by further tables or comparisons, all derived
 * from the masks.
 */
export function emitDispatch(dispatch: Dispatch, instructions: readonly Instruction[]): void {
  const { code, word } = dispatch;
  const { i32 } = code;
  const index = (): I32 =>
    i32.or(i32.and(i32.shrU(word.get(), 2), 31), i32.and(i32.shrU(word.get(), 7), 0xe0));
  const keys = Array.from({ length: 256 }, (_, entry) => {
    const opcode = ((entry & 31) << 2) | 3;
    const sameOpcode = instructions.filter(({ match }) => (match & 0x7f) === opcode);
    // Where funct3 is an operand of some (a rounding mode), all of the opcode share one target.
    if (sameOpcode.some(({ mask }) => (mask & 0x7000) !== 0x7000)) return sameOpcode;
    return sameOpcode.filter(({ match }) => ((match >> 12) & 7) === entry >> 5);
  });
  emitTable(dispatch, keys, index);
}

/** One jump table; entries with the same candidates share a target. */
function emitTable(dispatch: Dispatch, entries: readonly (readonly Instruction[])[], index: () => I32): void {
  const { code, illegal } = dispatch;
  const targets = new Map<string, readonly Instruction[]>();
  const keyOf = (candidates: readonly Instruction[]): string => candidates.map(({ name }) => name).join();
  for (const candidates of entries) if (candidates.length > 0) targets.set(keyOf(candidates), candidates);
  const order = [...targets];
  const labels = new Map<string, Label>();
  for (const [key] of order.toReversed()) labels.set(key, code.beginBlock());
  code.brTable(
    index(),
    entries.map((candidates) => labels.get(keyOf(candidates)) ?? illegal),
    illegal,
  );
  for (const [, candidates] of order) {
    code.end();
    emitGroup(dispatch, candidates);
  }
}

/** Emits the choice among instructions that the tables before could not tell apart. */
function emitGroup(dispatch: Dispatch, candidates: readonly Instruction[]): void {
  const { code, word, illegal, emit } = dispatch;
  const { i32 } = code;
  const field = candidates.length > CHAIN_LENGTH ? bestField(candidates) : undefined;
  if (field !== undefined) {
    const fieldMask = 2 ** field.width - 1;
    const entries = Array.from({ length: fieldMask + 1 }, (_, value) =>
      candidates.filter(({ match }) => ((match >>> field.shift) & fieldMask) === value),
    );
    emitTable(dispatch, entries, () => i32.and(i32.shrU(word.get(), field.shift), fieldMask));
    return;
  }
  for (const candidate of candidates) {
    const matches = i32.eq(i32.and(word.get(), candidate.mask | 0), candidate.match | 0);
    code.if(matches, () => emit(candidate));
  }
  code.br(illegal);
}

/** The field that all candidates fix and that splits them best. */
function bestField(candidates: readonly Instruction[]): (typeof TABLE_FIELDS)[number] | undefined {
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

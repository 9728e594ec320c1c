import { FIELDS } from "../isa/fields.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import { hasNarrowOperands, isConstantOrCopy, WORDS } from "./narrow.ts";
import type { Block } from "./region.ts";

/** Registers that hold a sign-extended 32-bit number, as a bit set. */
export type SignExtended = number;

const ALWAYS: ReadonlySet<string> = new Set([
  ...WORDS,
  ...["divw", "divuw", "remw", "remuw", "clz", "ctz", "cpop", "lui"],
  ...["lb", "lbu", "lh", "lhu", "lw", "sext.b", "sext.h", "zext.h"],
]);
/** Where the operands are, the result is. */
const IF_OPERANDS: ReadonlySet<string> = new Set([
  ...["and", "or", "xor", "ori", "xori", "andn", "orn", "xnor", "min", "max", "minu", "maxu"],
]);

/** Follows an instruction. */
export function signExtendedAfter(decoded: DecodedInstruction, before: SignExtended): SignExtended {
  const { written } = decoded;
  if (written === 0) return before;
  return isSignExtended(decoded, before) ? before | written : before & ~written;
}

function isSignExtended(decoded: DecodedInstruction, before: SignExtended): boolean {
  const { instruction, word } = decoded;
  const { name } = instruction;
  if (ALWAYS.has(name)) return true;
  const areOperands = hasNarrowOperands(decoded, before);
  switch (name) {
    case "srai":
      return areOperands || FIELDS.shamt6.decode(word) >= 32;
    case "srli":
      return FIELDS.shamt6.decode(word) >= 33;
    case "andi":
      return areOperands || FIELDS.immI.decode(word) >= 0;
    default:
      return areOperands && (isConstantOrCopy(decoded) || IF_OPERANDS.has(name));
  }
}

/** Whether an instruction only copies a register, if that is sign-extended. */
export function isCopy(decoded: DecodedInstruction, before: SignExtended): boolean {
  const { instruction, word } = decoded;
  return (
    instruction.name === "addiw" &&
    FIELDS.immI.decode(word) === 0 &&
    FIELDS.rs1.decode(word) !== 0 &&
    hasNarrowOperands(decoded, before)
  );
}

/** What is known at the start of each block of a region. A call leaves nothing known. */
export function signExtendedAtStarts(
  blocks: readonly Block[],
  successors: readonly (readonly number[])[],
): SignExtended[] {
  const known = new Array<SignExtended>(blocks.length).fill(-1);
  known[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = 0; index < blocks.length; index++) {
      const { instructions, isCall } = blocks[index] as Block;
      let after = isCall ? 0 : (known[index] as number);
      if (!isCall) for (const instruction of instructions) after = signExtendedAfter(instruction, after);
      for (const next of successors[index] as readonly number[]) {
        const before = known[next] as number;
        if ((before & after) === before) continue;
        known[next] = before & after;
        changed = true;
      }
    }
  }
  return known;
}

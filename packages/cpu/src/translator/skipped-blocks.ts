import { type Block, DISPATCH, endOf, startOf } from "./region.ts";

/** Instructions whose results may be computed and not used: nothing else comes of them, and they cost little. */
const PLAIN: ReadonlySet<string> = new Set([
  ...["lui", "auipc", "addi", "andi", "ori", "xori", "slli", "srli", "srai", "slti", "sltiu"],
  ...["add", "sub", "and", "or", "xor", "sll", "srl", "sra", "slt", "sltu"],
  ...["addiw", "slliw", "srliw", "sraiw", "addw", "subw", "sllw", "srlw", "sraw"],
  ...["andn", "orn", "xnor", "min", "minu", "max", "maxu", "sh1add", "sh2add", "sh3add", "zext.h"],
  ...["sext.b", "sext.h", "rori", "roriw", "czero.eqz", "czero.nez"],
]);

/** More instructions cost more than a branch that is foreseen. */
const MOST_INSTRUCTIONS = 3;

/**
 * Blocks that nothing but a branch around them leads to and leads around, by index in the order in which they are emitted,
 * if they are as short and plain as what compilers for other processors make conditional moves of. They are executed
 * in any case, and their results chosen by the condition: hosts need not foresee that branch.
 *
 * @param needsPage - Whether a block is in a page that has to be looked up before control gets there from another one.
 */
export function skippedBlocks(
  blocks: readonly Block[],
  successors: readonly (readonly number[])[],
  needsPage: (block: Block) => boolean,
): ReadonlySet<number> {
  const ways = new Uint8Array(blocks.length);
  for (const next of successors)
    for (const index of next) ways[index] = Math.min((ways[index] as number) + 1, 2);
  const skipped = new Set<number>();
  for (let index = 1; index < blocks.length; index++) {
    const before = blocks[index - 1] as Block;
    const block = blocks[index] as Block;
    if (ways[index] !== 1 || before.start === DISPATCH || endOf(before) !== startOf(block)) continue;
    // What has to be made sure of in between would be done where the branch is taken, too.
    if (needsPage(block) && !needsPage(before)) continue;
    if (before.instructions.at(-1)?.transfer !== "branch" || before.targets[0] !== endOf(block)) continue;
    // What is skipped keeps what it had: that is loaded if the region goes on there.
    if (successors[index]?.length === 1 && isPlain(block)) skipped.add(index);
  }
  return skipped;
}

function isPlain({ instructions, written }: Block): boolean {
  const writesOne = written !== 0 && (written & (written - 1)) === 0;
  if (instructions.length > MOST_INSTRUCTIONS || !writesOne) return false;
  return instructions.every(({ instruction }) => PLAIN.has(instruction.name));
}

import type { CompressedInstruction } from "../../src/isa/compressed.ts";
import type { Instruction } from "../../src/isa/instruction.ts";

const LACKS: readonly string[] = [...["zicbom", "zicboz", "zicond", "zimop", "zawrs", "zcb", "zcmop", "zfa"]];

/** Whether QEMU 7.2 has an instruction. No sequence has the others; the conformance tests do. */
export function isOnQemu(instruction: Pick<Instruction, "extension" | "addition">): boolean;
export function isOnQemu(instruction: CompressedInstruction | undefined): boolean;
export function isOnQemu(
  instruction: { readonly extension: string; readonly addition?: string | undefined } | undefined,
): boolean {
  const { extension = "", addition = "" } = instruction ?? {};
  return !LACKS.includes(extension) && !LACKS.includes(addition);
}

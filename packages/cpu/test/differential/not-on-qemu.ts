import type { CompressedInstruction } from "../../src/isa/compressed.ts";
import type { Extension } from "../../src/isa/instruction.ts";

/** Extensions that QEMU 7.2 lacks: no sequence has their instructions, the conformance tests do. */
export const NOT_ON_QEMU: readonly (Extension | CompressedInstruction["extension"])[] = [
  ...(["zicbom", "zicboz", "zicond", "zimop", "zawrs", "zcb", "zcmop"] as const),
];

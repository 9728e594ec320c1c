import { aes } from "./aes.ts";
import { bitManipulation } from "./bit-manipulation.ts";
import { carryLess } from "./carry-less.ts";
import { expandAll } from "./compressed.ts";
import { cryptoBits } from "./crypto-bits.ts";
import { float } from "./float.ts";
import { hash } from "./hash.ts";
import type { Instruction } from "./instruction.ts";
import { privileged } from "./privileged.ts";
import { rv64a } from "./rv64a.ts";
import { rv64i } from "./rv64i.ts";
import { rv64m } from "./rv64m.ts";
import { zfa } from "./zfa.ts";
import { zicond } from "./zicond.ts";
import { zimop } from "./zimop.ts";

/** Every 32-bit instruction. */
export const INSTRUCTIONS: readonly Instruction[] = [
  ...rv64i,
  ...rv64m,
  ...rv64a,
  ...float,
  ...zfa,
  ...bitManipulation,
  ...carryLess,
  ...cryptoBits,
  ...aes,
  ...hash,
  ...zicond,
  ...zimop,
  ...privileged,
];

const byName = new Map(INSTRUCTIONS.map((entry) => [entry.name, entry]));

/** The instruction of that name. Throws a RangeError when there is none. */
export function instructionByName(name: string): Instruction {
  const found = byName.get(name);
  if (found === undefined) throw new RangeError(`no instruction is called ${name}`);
  return found;
}

/** The 32-bit words of all 16-bit parcels; those whose low bits are 11 are not parcels and hold 0. */
export function expansionTable(): Uint32Array {
  return expandAll(instructionByName);
}

import { csrByName } from "../../src/csr/names.ts";
import { CSRS } from "../../src/csr/table.ts";
import { findCompressed } from "../../src/isa/compressed.ts";
import { FIELDS, type FieldName } from "../../src/isa/fields.ts";
import { expansionTable, INSTRUCTIONS } from "../../src/isa/index.ts";
import type { Instruction } from "../../src/isa/instruction.ts";
import type { Environment, Role } from "./environment.ts";
import { isOnQemu } from "./not-on-qemu.ts";
import { safeWord } from "./safety.ts";

const NOP = 0x13;
const C_NOP = 0x01;
const EXPANSIONS = expansionTable();

/** The 32-bit word that an instruction of either length stands for. */
export function expanded(bits: number): number {
  return (bits & 3) === 3 ? bits : (EXPANSIONS[bits & 0xffff] as number);
}

/** A register with one of these roles. */
export function registerOf({ random, roles }: Environment, ...wanted: Role[]): number {
  const found = roles.flatMap((role, register) => (wanted.includes(role) ? [register] : []));
  return random.pick(found);
}

function memoryOffset({ random, holes, protects }: Environment): number {
  if (protects) return 8 * (random.below(128) - 64);
  if (holes) return 8 * (random.below(512) - 256);
  if (random.oneIn(10)) return random.below(4096) - 2048;
  return random.oneIn(2) ? 0 : random.below(9) - (random.oneIn(2) ? 8 : 0);
}

function fieldValue(field: FieldName, instruction: Instruction, environment: Environment): number {
  const { random } = environment;
  const memory = instruction.syntax.includes("(rs1)");
  switch (field) {
    case "rd":
      return random.oneIn(10) ? 0 : registerOf(environment, "free");
    case "rs1":
      if (memory)
        return random.oneIn(12)
          ? registerOf(environment, "wild", "zero")
          : registerOf(environment, "pointer");
      return random.below(32);
    case "immI":
    case "immS":
      if (memory) return memoryOffset(environment);
      return random.below(4096) - 2048;
    case "rm":
      return random.oneIn(12) ? random.pick([5, 6]) : random.pick([0, 0, 1, 2, 3, 4, 7, 7]);
    case "rnum":
      return random.below(11);
    case "rtz":
      return 1;
    case "immU":
      return random.below(1 << 20);
    case "csr":
      return random.below(4096);
    default:
      // The rest are plain numbers of some width.
      return FIELDS[field].decode(random.bits());
  }
}

/** The instruction with random operands. */
function randomOperands(instruction: Instruction, environment: Environment): number {
  let word = instruction.match;
  if (instruction.syntax.includes("{aqrl}")) word |= FIELDS.aqrl.encode(environment.random.below(4));
  for (const field of instruction.fields) {
    if (field !== "aqrl") word |= FIELDS[field].encode(fieldValue(field, instruction, environment));
  }
  return word >>> 0;
}

/** Without instructions that other generators make. */
const STRAIGHT: readonly Instruction[] = INSTRUCTIONS.filter(
  ({ extension, flow, name }) =>
    extension !== "zicsr" &&
    !["branch", "jump", "indirect"].includes(flow) &&
    !["mret", "sret", "wfi"].includes(name),
);
const ON_QEMU: readonly Instruction[] = STRAIGHT.filter(isOnQemu);
const NEWER: readonly Instruction[] = STRAIGHT.filter((instruction) => !isOnQemu(instruction));

/** Any straight-line instruction of the descriptions: half of them newer ones where there may be any. */
export function straightInstruction(environment: Environment): number {
  const { random, newer } = environment;
  const from = newer && random.oneIn(2) ? NEWER : ON_QEMU;
  return attempt(environment, () => randomOperands(random.pick(from), environment));
}

/** Any 16-bit instruction, or one that is none. */
export function compressedInstruction(environment: Environment): number {
  const { random } = environment;
  return attempt(environment, () => {
    const half = (random.below(16384) << 2) | random.below(3);
    return environment.newer || isOnQemu(findCompressed(half)) ? half : C_NOP;
  });
}

/** An instruction with a bit or two flipped, or any word of a known opcode. */
export function nearValidInstruction(environment: Environment): number {
  const { random } = environment;
  return attempt(environment, () => {
    const instruction = random.pick(INSTRUCTIONS);
    if (random.oneIn(4)) return (random.bits() & ~0x7f) | (instruction.match & 0x7f);
    let word = randomOperands(instruction, environment);
    for (let flips = 1 + random.below(2); flips > 0; flips--) word ^= 1 << (2 + random.below(30));
    return word >>> 0;
  });
}

const NAMED = CSRS.map(({ address }) => address);
const CSR_INSTRUCTIONS = INSTRUCTIONS.filter(({ extension }) => extension === "zicsr");

/** An access to a CSR, existing or not, that is either harmless or illegal. */
export function csrAccess(environment: Environment): number {
  const { random } = environment;
  return attempt(environment, () => {
    const word = randomOperands(random.pick(CSR_INSTRUCTIONS), environment) & 0xfffff;
    const floats = ["fflags", "frm", "fcsr"].map((name) => csrByName(name) as number);
    const address = random.oneIn(5)
      ? random.below(4096)
      : random.oneIn(4)
        ? random.pick(floats)
        : random.pick(NAMED);
    const rd = random.oneIn(3) ? word & ~0xf80 : word;
    return (rd | FIELDS.csr.encode(address)) >>> 0;
  });
}

/** Tries until the word is safe; `nop` when it hardly ever is. */
function attempt(environment: Environment, make: () => number): number {
  for (let tries = 0; tries < 100; tries++) {
    const bits = make();
    const word = expanded(bits);
    if (safeWord(word, environment)) return bits;
  }
  return NOP;
}

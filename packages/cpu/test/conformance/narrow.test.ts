import { expect, test } from "vitest";
import { Random } from "../random.ts";
import { BODY, lockstep } from "./lockstep.ts";
import { DATA, ORIGIN } from "./machine.ts";

/**
 * What is done with values that were computed with 32 bits is done with 32 bits, where the result is the same. Random
 * sequences over a mixture of such registers and others leave the same registers in both tiers.
 */

const PROGRAMS = 12;
const SEQUENCES = 200;
const LENGTH = 14;
const ROUNDS = 30;
const VALUES = 256;
const REGISTERS = ["a0", "a1", "a2", "a3", "a4", "a5"];
const SOURCES = [...REGISTERS, ...REGISTERS, "zero"];

/** Values whose low halves, signs and upper halves are alike in some and not in others. */
function value(random: Random): bigint {
  const low = random.pick([0n, 1n, 2n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, BigInt(random.bits())]);
  const high = random.pick([0n, 0n, 1n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, BigInt(random.bits())]);
  const extended = BigInt.asUintN(64, BigInt.asIntN(32, low));
  return random.oneIn(2) ? extended : (high << 32n) | low;
}

const WORDS = ["addw", "subw", "sllw", "srlw", "sraw", "mulw", "divw", "remuw", "rolw", "rorw"];
const LOGIC = ["and", "or", "xor", "slt", "sltu", "andn", "add", "sub", "max", "minu"];
const LOGIC_IMMEDIATE = ["andi", "ori", "xori", "slti", "sltiu", "addi"];
const SHIFTS = ["slliw", "srliw", "sraiw", "roriw"];
const UNARY = ["clzw", "ctzw", "cpopw", "sext.w", "mv", "neg", "not", "zext.h", "sext.b"];
const BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];

function operation(random: Random): string {
  const rd = random.pick(REGISTERS);
  const rs1 = random.pick(SOURCES);
  const rs2 = random.pick(SOURCES);
  const immediate = random.pick([0, 1, -1, 2047, -2048, random.below(4096) - 2048]);
  return random.pick<() => string>([
    () => `${random.pick(WORDS)} ${rd}, ${rs1}, ${rs2}`,
    () => `addiw ${rd}, ${rs1}, ${immediate}`,
    () => `${random.pick(SHIFTS)} ${rd}, ${rs1}, ${random.below(32)}`,
    () => `${random.pick(LOGIC)} ${rd}, ${rs1}, ${rs2}`,
    () => `${random.pick(LOGIC)} ${rd}, ${rs1}, ${rs2}`,
    () => `${random.pick(LOGIC_IMMEDIATE)} ${rd}, ${rs1}, ${immediate}`,
    () => `${random.pick(LOGIC_IMMEDIATE)} ${rd}, ${rs1}, ${immediate}`,
    () => `${random.pick(UNARY)} ${rd}, ${random.pick(REGISTERS)}`,
    () => `li ${rd}, ${immediate}`,
    () => `lui ${rd}, ${random.below(1 << 20)}`,
    () => `ld ${rd}, ${8 * random.below(VALUES)}(s1)`,
    () => `lw ${rd}, ${8 * random.below(VALUES)}(s1)`,
    () => `lwu ${rd}, ${8 * random.below(VALUES)}(s1)`,
  ])();
}

/** Ends with a branch, whose way is taken into the sum at s3, as the registers are. */
function sequence(random: Random, index: number): string {
  const loads = REGISTERS.map((name) => `ld ${name}, ${8 * random.below(VALUES)}(s1)`);
  const operations = Array.from({ length: LENGTH }, () => operation(random));
  const branch = `${random.pick(BRANCHES)} ${random.pick(SOURCES)}, ${random.pick(SOURCES)}, .Ls${index}`;
  const sums = REGISTERS.map((name, n) => `${n % 2 === 0 ? "add" : "xor"} s3, s3, ${name}`);
  return `
    ${loads.join("\n")}
    ${operations.join("\n")}
    ${branch}
    addi s3, s3, ${1 + random.below(2000)}
  .Ls${index}:
    ${sums.join("\n")}
    ${random.oneIn(3) ? `sd s3, ${8 * random.below(200)}(s2)` : ""}`;
}

test.each(Array.from({ length: PROGRAMS }, (_, seed) => seed))("random sequences, %i", (seed) => {
  const random = new Random(seed);
  const body = `
    li s1, ${DATA}
    li s2, ${DATA + 0x8000}
    li s8, ${ROUNDS}
    j round
    .org ${BODY + 0x100}
  round:
    ${Array.from({ length: SEQUENCES }, (_, index) => sequence(random, index)).join("\n")}
    addi s1, s1, 8
    addi s8, s8, -1
    beqz s8, done
    la a0, round
    jr a0`;
  const { counters } = lockstep({
    body,
    threshold: 1,
    slices: [300, 1000, 4000],
    prepare: ({ memory }) => {
      const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
      const values = new Random(seed + 1000);
      for (let index = 0; index < 3 * VALUES; index++) {
        view.setBigUint64(DATA - ORIGIN + 8 * index, value(values), true);
      }
    },
  });
  expect((counters.instructionsInRegions ?? 0) / (counters.instructions ?? 1)).toBeGreaterThan(0.4);
});

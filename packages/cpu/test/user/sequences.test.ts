import { expect, test } from "vitest";
import { csrByName } from "../../src/csr/names.ts";
import type { UserHart, UserProcessor } from "../../src/index.ts";
import { FIELDS, type FieldName } from "../../src/isa/fields.ts";
import { INSTRUCTIONS } from "../../src/isa/index.ts";
import type { Instruction } from "../../src/isa/instruction.ts";
import { Random } from "../random.ts";
import { BASE, CODE, DATA, END, makeProcessor, put } from "./program.ts";

const SEQUENCES = 1500;
/** Registers that nothing but the harness writes: pointers, and the loop's counter. */
const POINTERS = [8, 9, 18, 19];
const WILD = 20;
const COUNTER = 31;
const DESTINATIONS = Array.from({ length: 32 }, (_, register) => register).filter(
  (register) => ![...POINTERS, WILD, COUNTER].includes(register),
);
const TURNS = 6;
/** Bytes around each pointer that are compared. */
const WINDOW = 4096;
const WINDOWS = [BASE, DATA, END - WINDOW] as const;

const STRAIGHT = INSTRUCTIONS.filter(
  ({ flow, extension, name }) =>
    !["branch", "jump", "indirect"].includes(flow) &&
    !["ecall", "ebreak"].includes(name) &&
    extension !== "privileged",
);
const MEMORY = STRAIGHT.filter(({ syntax }) => syntax.includes("(rs1)"));
/** `j .+4` */
const JUMP = 0x0040006f;
const CSRS = ["fflags", "frm", "fcsr", "instret", "time"].map((name) => csrByName(name) as number);

function fieldValue(random: Random, field: FieldName, { syntax }: Instruction): number {
  const isMemory = syntax.includes("(rs1)");
  switch (field) {
    case "rd":
      return random.pick(DESTINATIONS);
    case "rs1":
      if (!isMemory) return random.below(32);
      return random.oneIn(60) ? WILD : random.pick(POINTERS);
    case "immI":
    case "immS":
      return random.oneIn(3) ? random.below(4096) - 2048 : 8 * (random.below(16) - 8);
    case "rm":
      return random.pick([0, 0, 1, 2, 3, 4, 7, 7]);
    case "rnum":
      return random.below(11);
    case "rtz":
      return 1;
    case "immU":
      return random.below(1 << 20);
    case "csr":
      return random.oneIn(12) ? random.below(4096) : random.pick(CSRS);
    default:
      return FIELDS[field].decode(random.bits());
  }
}

function instructionWord(random: Random): number {
  const instruction = random.pick(random.oneIn(2) ? MEMORY : STRAIGHT);
  let word = instruction.match;
  for (const field of instruction.fields) {
    if (field !== "aqrl") word |= FIELDS[field].encode(fieldValue(random, field, instruction));
  }
  return word >>> 0;
}

function encode(name: string, fields: Partial<Record<FieldName, number>>): number {
  const instruction = INSTRUCTIONS.find((candidate) => candidate.name === name) as Instruction;
  let word = instruction.match;
  for (const [field, value] of Object.entries(fields)) word |= FIELDS[field as FieldName].encode(value);
  return word >>> 0;
}

/** What compilers write for want of instructions: extensions by two shifts, and of what is extended already. */
function extension(random: Random): number[] {
  const rd = random.pick(DESTINATIONS);
  const rs1 = random.below(32);
  if (random.oneIn(3)) return [encode("addiw", { rd, rs1, immI: random.oneIn(4) ? 1 : 0 })];
  const shamt6 = random.pick([32, 48, 56, 33]);
  const back = random.oneIn(6) ? random.below(64) : shamt6;
  const other = random.oneIn(6) ? random.pick(DESTINATIONS) : rd;
  const name = random.pick(["srli", "srai"]);
  return [encode("slli", { rd, rs1, shamt6 }), encode(name, { rd: other, rs1: rd, shamt6: back })];
}

const PLAIN = ["add", "xor", "addi", "andi", "subw", "addw", "sltu", "sext.w", "srlw", "lui"];

/** A branch over a few instructions, mostly ones that do nothing but compute a register. */
function shortBranch(random: Random): number[] {
  const rd = random.pick(DESTINATIONS);
  const skipped = Array.from({ length: 1 + random.below(4) }, () => {
    if (random.oneIn(12)) return instructionWord(random);
    const name = random.pick(PLAIN);
    if (name === "sext.w") return encode("addiw", { rd, rs1: random.below(32) });
    const instruction = INSTRUCTIONS.find((candidate) => candidate.name === name) as Instruction;
    const fields = instruction.fields.map((field) => [field, fieldValue(random, field, instruction)]);
    return encode(name, { ...Object.fromEntries(fields), rd: random.oneIn(12) ? random.below(8) : rd });
  });
  const immB = 4 + 4 * skipped.length;
  const name = random.pick(["beq", "bne", "blt", "bgeu"]);
  return [encode(name, { rs1: random.below(32), rs2: random.below(32), immB }), ...skipped];
}

function piece(random: Random): number[] {
  if (random.oneIn(8)) return shortBranch(random);
  return random.oneIn(8) ? extension(random) : [instructionWord(random)];
}

/** A loop of random instructions that ends with `ecall`; a jump to its start makes it worth a translation at once. */
function makeCode(random: Random): Uint8Array {
  const body = Array.from({ length: 4 + random.below(20) }, () => piece(random)).flat();
  const at = body.length * 4 + 4;
  const decrement = 0x13 | (COUNTER << 7) | (COUNTER << 15) | (0xfff << 20);
  // bnez x31, start of the body
  const back = 0x63 | (1 << 12) | (COUNTER << 15) | FIELDS.immB.encode(-at);
  return new Uint8Array(Uint32Array.of(JUMP, ...body, decrement >>> 0, back >>> 0, 0x73).buffer);
}

interface Start {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly fcsr: number;
  readonly bytes: Uint8Array;
}

function interesting(random: Random): bigint {
  return random.oneIn(3) ? BigInt(random.pick([0, 1, 2, 63, 255])) : random.bits64();
}

function makeStart(random: Random): Start {
  const x = Array.from({ length: 32 }, () => interesting(random));
  const unaligned = (): number => (random.oneIn(4) ? random.below(16) : 0);
  // Near the ends accesses fault, which ends a sequence: not always.
  const edge = (): number => (random.oneIn(3) ? 8 * random.below(40) : 2048 + 8 * random.below(40));
  x[8] = BigInt(DATA + 2048 + unaligned());
  x[9] = BigInt(END - edge() - unaligned());
  x[18] = BigInt(BASE + edge() + unaligned());
  x[19] = BigInt(DATA + 4096);
  x[WILD] = random.oneIn(2) ? random.bits64() : BigInt(DATA) + (1n << BigInt(32 + random.below(32)));
  x[COUNTER] = BigInt(TURNS);
  const isBoxed = (): bigint =>
    random.oneIn(2) ? 0xffff_ffff_0000_0000n | BigInt(random.bits()) : random.bits64();
  const bytes = Uint8Array.from({ length: 64 }, () => random.below(256));
  return { x, f: Array.from({ length: 32 }, isBoxed), fcsr: random.below(5) << 5, bytes };
}

/** All that a program can see at its end. */
function runOnce(
  processor: UserProcessor,
  start: Start,
  budgets: readonly number[],
): Record<string, unknown> {
  const hart = processor.harts[0] as UserHart;
  const { memory } = processor;
  for (const address of WINDOWS) {
    const view = memory.view(address, WINDOW);
    for (let at = 0; at < WINDOW; at += 64) view.set(start.bytes, at);
  }
  for (let register = 0; register < 32; register++) {
    hart.writeRegister(register, start.x[register] as bigint);
    hart.writeFloatRegister(register, start.f[register] as bigint);
  }
  hart.fcsr = start.fcsr;
  hart.pc = BigInt(CODE);
  const before = hart.instructionsRetired;
  let calls = 0;
  while (hart.run(budgets[calls % budgets.length] as number) !== "trap") {
    calls++;
    if (calls > 10_000) throw new Error("the sequence does not end");
  }
  const registers = Array.from({ length: 32 }, (_, index) => [
    hart.readRegister(index),
    hart.readFloatRegister(index),
  ]);
  return {
    cause: hart.trapCause,
    value: hart.trapValue,
    pc: hart.pc,
    fcsr: hart.fcsr,
    calls,
    retired: hart.instructionsRetired - before,
    registers,
    memory: WINDOWS.map((address) => Buffer.from(memory.view(address, WINDOW)).toString("base64")),
  };
}

test(`${SEQUENCES} random sequences end in translated code as in the interpreter`, {
  timeout: 300_000,
}, () => {
  const interpreter = makeProcessor(0);
  const translator = makeProcessor(1);
  const causes = new Map<number, number>();
  for (let number = 0; number < SEQUENCES; number++) {
    const random = new Random(number);
    const code = makeCode(random);
    const start = makeStart(random);
    const budgets = random.oneIn(4) ? [1 + random.below(30)] : [100_000];
    put(interpreter, CODE, code);
    put(translator, CODE, code);
    // The counter of instructions goes on; what sequences read of it is the same in both.
    const wanted = runOnce(interpreter, start, budgets);
    const first = runOnce(translator, start, budgets);
    expect(first, `sequence ${number}, first time`).toEqual(wanted);
    for (let pass = 0; pass < 4; pass++) {
      const again = runOnce(interpreter, start, budgets);
      expect(runOnce(translator, start, budgets), `sequence ${number}, again`).toEqual(again);
    }
    causes.set(wanted.cause as number, (causes.get(wanted.cause as number) ?? 0) + 1);
  }
  // The comparison is worth something: all kinds of endings, and translated code.
  for (const cause of [2, 4, 5, 6, 7, 8]) expect(causes.get(cause), `cause ${cause}`).toBeGreaterThan(20);
  expect(translator.counters().regionsTranslated).toBeGreaterThan(SEQUENCES / 2);
  expect(translator.counters().instructionsInRegions).toBeGreaterThan(SEQUENCES * 20);
});

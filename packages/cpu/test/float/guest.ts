/** The same cases as a bare-metal RISC-V program, for any machine with RAM at 0x80000000 and a test finisher. */
import type { FloatCase, Kind, Operation } from "./cases.ts";
import { TRACE_WORDS } from "./driver.ts";
import { blockSeed, INCREMENT, MIX, MULTIPLIER, tableBytes, tableOffset } from "./operands.ts";

/** Guest physical address at which the program's image starts. */
export const GUEST_BASE = 0x8000_0000;
/** Bytes of memory that the program needs. */
export const GUEST_SIZE: number = 8 << 20;

/** Offsets in the image. */
const DATA = 0x10_0000;
const TABLES = DATA + 0x1000;
const SEEDS = DATA + 0x1_0000;
const OUT = 0x20_0000;

// The finisher of QEMU's virt machine: a device that ends the machine with success or failure.
export const FINISHER = 0x10_0000;
export const PASS = 0x5555;
const FAIL = 0x3333;

const ZERO = 0;
const T0 = 5;
const T1 = 6;
const T2 = 7;
const S0 = 8;
const S1 = 9;
const A0 = 10;
const A3 = 13;
const A4 = 14;
const S2 = 18;
const S3 = 19;
const S4 = 20;
const S5 = 21;
const S6 = 22;
const S7 = 23;
const S8 = 24;
const S9 = 25;
const T3 = 28;

const FFLAGS = 0x001;
const MSTATUS = 0x300;
const MTVEC = 0x305;

/** Appends instruction words. */
class Program {
  readonly words: number[] = [];

  get at(): number {
    return this.words.length * 4;
  }
  r(word: number, rd: number, rs1: number, rs2: number): void {
    this.words.push((word | (rd << 7) | (rs1 << 15) | (rs2 << 20)) >>> 0);
  }
  i(opcode: number, funct3: number, rd: number, rs1: number, immediate: number): void {
    this.words.push(((immediate << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0);
  }
  addi(rd: number, rs1: number, immediate: number): void {
    this.i(0x13, 0, rd, rs1, immediate);
  }
  slli(rd: number, rs1: number, count: number): void {
    this.i(0x13, 1, rd, rs1, count);
  }
  srli(rd: number, rs1: number, count: number): void {
    this.i(0x13, 5, rd, rs1, count);
  }
  andi(rd: number, rs1: number, immediate: number): void {
    this.i(0x13, 7, rd, rs1, immediate);
  }
  ld(rd: number, rs1: number, offset: number): void {
    this.i(0x03, 3, rd, rs1, offset);
  }
  sd(rs2: number, rs1: number, offset: number): void {
    const word = ((offset >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (3 << 12) | ((offset & 31) << 7) | 0x23;
    this.words.push(word >>> 0);
  }
  add(rd: number, rs1: number, rs2: number): void {
    this.r(0x33, rd, rs1, rs2);
  }
  mul(rd: number, rs1: number, rs2: number): void {
    this.r(0x0200_0033, rd, rs1, rs2);
  }
  xor(rd: number, rs1: number, rs2: number): void {
    this.r(0x4033, rd, rs1, rs2);
  }
  and(rd: number, rs1: number, rs2: number): void {
    this.r(0x7033, rd, rs1, rs2);
  }
  csrw(csr: number, rs1: number): void {
    this.i(0x73, 1, ZERO, rs1, csr);
  }
  csrr(rd: number, csr: number): void {
    this.i(0x73, 2, rd, ZERO, csr);
  }
  /** rd = address of this instruction + offset. */
  auipc(rd: number, offset: number): void {
    const low = (offset << 20) >> 20;
    this.words.push((((offset - low) & 0xffff_f000) | (rd << 7) | 0x17) >>> 0);
    this.addi(rd, rd, low);
  }
  sw(rs2: number, rs1: number): void {
    this.words.push(((rs2 << 20) | (rs1 << 15) | (2 << 12) | 0x23) >>> 0);
  }
  /** Jumps `offset` bytes ahead. */
  jump(offset: number): void {
    this.words.push((((offset >> 1) << 21) | 0x6f) >>> 0);
  }
  lui(rd: number, page: number): void {
    this.words.push(((page << 12) | (rd << 7) | 0x37) >>> 0);
  }
  /** Branches back to `target` if the registers differ. */
  bne(rs1: number, rs2: number, target: number): void {
    const offset = target - this.at;
    const high = (((offset >> 12) & 1) << 31) | (((offset >> 5) & 63) << 25);
    const low = (((offset >> 1) & 15) << 8) | (((offset >> 11) & 1) << 7);
    this.words.push((high | (rs2 << 20) | (rs1 << 15) | (1 << 12) | low | 0x63) >>> 0);
  }
}

// Constants in registers: S1 MULTIPLIER, S2 INCREMENT, S4 MIX. S0 is the generator, S3 the table, S5 the checksum,
// S6 counts cases, S7 is where the next word goes, S8 where the seeds are, S9 counts blocks.
function emitNext(p: Program, rd: number): void {
  p.mul(S0, S0, S1);
  p.add(S0, S0, S2);
  p.srli(rd, S0, 32);
  p.xor(rd, rd, S0);
}

function formatField(kind: Kind): number {
  return kind === "f64" ? 0x0200_0000 : kind === "f16" ? 0x0400_0000 : 0;
}

/** fmv between the register files: `toFloat`, or back. */
function emitMove(p: Program, kind: Kind, toFloat: boolean, rd: number, rs1: number): void {
  const word = (toFloat ? 0xf000_0053 : 0xe000_0053) | formatField(kind);
  p.r(word, rd, rs1, 0);
}

/** Operands to A0 and up, and to f0 and up. */
function emitOperands(p: Program, { sources }: Operation): void {
  emitNext(p, T0);
  sources.forEach((kind, position) => {
    const operand = A0 + position;
    emitNext(p, operand);
    p.srli(T1, T0, 8 * position);
    p.andi(T1, T1, 255);
    p.slli(T1, T1, 5);
    p.add(T1, T1, S3);
    p.ld(T2, T1, 0);
    p.ld(T3, T1, 8);
    p.and(operand, operand, T2);
    p.xor(operand, operand, T3);
    if (position > 0) {
      p.ld(T2, T1, 16);
      let previous = operand - 1;
      if (position === 2) {
        p.r(0x1000_0053 | formatField(kind), 3, 0, 1);
        emitMove(p, kind, false, T3, 3);
        previous = T3;
      }
      p.and(T2, T2, previous);
      p.xor(operand, operand, T2);
    }
    if (kind !== "int") emitMove(p, kind, true, position, operand);
  });
}

function emitExecute(p: Program, { operation, rm }: FloatCase): void {
  const { sources, result, word } = operation;
  const rs1 = sources[0] === "int" ? A0 : 0;
  const operands = (sources.length > 1 ? 1 << 20 : 0) | (sources.length > 2 ? 2 << 27 : 0);
  p.words.push((word | (rm << 12) | operands | (rs1 << 15) | ((result === "int" ? A3 : 3) << 7)) >>> 0);
  if (result !== "int") emitMove(p, result, false, A3, 3);
}

/** What the program does. */
export interface Plan {
  readonly tests: readonly FloatCase[];
  /** Blocks of each test, from this one on. */
  readonly firstBlock: number;
  readonly blocks: number;
  readonly blockLength: number;
  /** Write {@link TRACE_WORDS} words for every case instead of a checksum for every block. */
  readonly trace: boolean;
}

/** Ends the machine by what is written to the finisher. */
function emitFinish(p: Program, value: number): void {
  p.lui(T0, FINISHER >> 12);
  p.lui(T1, (value + 0x800) >> 12);
  p.addi(T1, T1, (value << 20) >> 20);
  p.sw(T1, T0);
}

function emitCase(p: Program, test: FloatCase, { blocks, blockLength, trace }: Plan): void {
  const kind = test.operation.sources[0]!;
  p.auipc(S3, TABLES + tableOffset(kind) - p.at);
  p.addi(A0 + 1, ZERO, 0);
  p.addi(A0 + 2, ZERO, 0);
  p.addi(S9, ZERO, blocks);
  const block = p.at;
  p.ld(S0, S8, 0);
  p.addi(S8, S8, 8);
  p.addi(S5, ZERO, 0);
  p.addi(S6, ZERO, 1);
  p.slli(S6, S6, Math.log2(blockLength));
  const again = p.at;
  emitOperands(p, test.operation);
  p.srli(T1, T0, 24);
  p.andi(T1, T1, 1);
  p.csrw(FFLAGS, T1);
  emitExecute(p, test);
  p.csrr(A4, FFLAGS);
  if (trace) {
    p.srli(T1, T0, 24);
    p.andi(T1, T1, 1);
    p.slli(T1, T1, 8);
    p.add(T1, T1, A4);
    [A0, A0 + 1, A0 + 2, A3, T1].forEach((register, word) => {
      p.sd(register, S7, 8 * word);
    });
    p.addi(S7, S7, 8 * TRACE_WORDS);
  }
  p.add(S5, S5, A3);
  p.mul(S5, S5, S4);
  p.xor(S5, S5, A4);
  p.srli(T1, S5, 32);
  p.xor(S5, S5, T1);
  p.addi(S6, S6, -1);
  p.bne(S6, ZERO, again);
  if (!trace) {
    p.sd(S5, S7, 0);
    p.addi(S7, S7, 8);
  }
  p.addi(S9, S9, -1);
  p.bne(S9, ZERO, block);
}

/** The image to put at {@link GUEST_BASE}; execution starts at its first byte, in M-mode. */
export function guestImage(plan: Plan): Uint8Array {
  const p = new Program();
  p.jump(4 + 4 * 4);
  const handler = p.at;
  emitFinish(p, FAIL | (1 << 16));
  p.auipc(T0, handler - p.at);
  p.csrw(MTVEC, T0);
  // Floating point is off after reset: mstatus.FS.
  p.lui(T1, 2);
  p.i(0x73, 2, ZERO, T1, MSTATUS);
  p.auipc(T0, DATA - p.at);
  [S1, S2, S4].forEach((register, position) => {
    p.ld(register, T0, 8 * position);
  });
  p.auipc(S7, OUT - p.at);
  p.auipc(S8, SEEDS - p.at);
  for (const test of plan.tests) emitCase(p, test, plan);
  emitFinish(p, PASS);
  p.jump(0);

  const seeds = plan.tests.flatMap(({ index }) =>
    Array.from({ length: plan.blocks }, (_, block) => blockSeed(index, plan.firstBlock + block)),
  );
  const words = plan.tests.length * plan.blocks * (plan.trace ? plan.blockLength * TRACE_WORDS : 1);
  if (p.at > DATA || SEEDS + seeds.length * 8 > OUT || OUT + words * 8 > GUEST_SIZE) {
    throw new RangeError("the program does not fit its memory");
  }
  const image = new Uint8Array(SEEDS + seeds.length * 8);
  image.set(new Uint8Array(Uint32Array.from(p.words).buffer));
  image.set(new Uint8Array(BigUint64Array.of(MULTIPLIER, INCREMENT, MIX).buffer), DATA);
  image.set(tableBytes(), TABLES);
  image.set(new Uint8Array(BigUint64Array.from(seeds).buffer), SEEDS);
  return image;
}

/** What the program has written into the machine's memory: checksums or traces, test by test. */
export function guestOutput(memory: Uint8Array, plan: Plan): BigUint64Array {
  const words = plan.tests.length * plan.blocks * (plan.trace ? plan.blockLength * TRACE_WORDS : 1);
  return new BigUint64Array(memory.slice(OUT, OUT + words * 8).buffer);
}

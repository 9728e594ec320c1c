import { expect } from "vitest";
import { csrByName } from "../src/csr/names.ts";
import { CsrHarness } from "./csr-harness.ts";
import { QEMU_DIFFERENCES } from "./csr-qemu-differences.ts";
import { DATA_OFFSET, QemuProgram, RAM_BASE } from "./csr-qemu-machine.ts";
import * as word from "./csr-qemu-words.ts";

/** Numbers that repeat from run to run (xorshift64*). */
export class Random {
  #state: bigint;
  constructor(seed: bigint) {
    this.#state = seed;
  }
  next64(): bigint {
    let x = this.#state;
    x ^= x >> 12n;
    x ^= BigInt.asUintN(64, x << 25n);
    x ^= x >> 27n;
    this.#state = x;
    return BigInt.asUintN(64, x * 0x2545f4914f6cdd1dn);
  }
  below(limit: number): number {
    return Number(this.next64() % BigInt(limit));
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
  /** A register value: often with few bits set or clear. */
  value(): bigint {
    const value = this.next64();
    const kind = this.below(6);
    if (kind === 0) return 0n;
    if (kind === 1) return 2n ** 64n - 1n;
    if (kind === 2) return 1n << (value & 63n);
    if (kind === 3) return value & this.next64() & this.next64();
    return value;
  }
}

export interface Access {
  readonly name: string;
  readonly operation: "csrrw" | "csrrs" | "csrrc";
  readonly value: bigint;
}

/** Some accesses in a row, then CSRs to look at; after that `mstatus`, `mie` and `mtvec` are made safe. */
export interface Step {
  readonly accesses: readonly Access[];
  readonly reads: readonly string[];
}

/** CSRs that a step may look at. */
export const MAX_READS = 6;
const SAFE_MSTATUS = 0x6000n;
const HANDLER = 0x100;
const FIRST_STEP = 0x400;
/** Where a trap that should not be is noted: in front of the program's data. */
const NOTE = DATA_OFFSET - 16;

/** The address of a CSR that exists. */
export function csrAddress(name: string): number {
  const found = csrByName(name);
  if (found === undefined) throw new RangeError(`no CSR is called ${name}`);
  return found;
}

const OPERATIONS = { csrrw: word.csrrw, csrrs: word.csrrs, csrrc: word.csrrc } as const;

/** What QEMU reads. x8 walks through the data, x6 and x10 hold safe values. */
function qemuReads(steps: readonly Step[]): bigint[][] {
  const program = new QemuProgram();
  program.constant(6, BigInt(RAM_BASE + HANDLER));
  program.constant(10, SAFE_MSTATUS);
  program.constant(8, BigInt(RAM_BASE + DATA_OFFSET));
  // The timer compares with zero at power-on: far future instead.
  program.constant(11, 0x200_4000n);
  program.emit(word.addi(12, 0, -1), word.sd(12, 0, 11));
  program.emit(word.csrrw(0, csrAddress("mtvec"), 6), word.csrrw(0, csrAddress("mstatus"), 10));
  program.emit(word.jal(0, FIRST_STEP - program.at));
  // A trap is a mistake of the test: the memory says so at its very end.
  program.at = HANDLER;
  program.constant(11, BigInt(RAM_BASE + NOTE));
  program.emit(word.csrrs(12, csrAddress("mcause"), 0), word.addi(12, 12, 1), word.sd(12, 0, 11));
  program.emit(word.csrrs(12, csrAddress("mepc"), 0), word.sd(12, 8, 11));
  program.stop();
  program.at = FIRST_STEP;
  for (const { accesses, reads } of steps) {
    for (const access of accesses) {
      program.constant(11, access.value);
      program.emit(OPERATIONS[access.operation](12, csrAddress(access.name), 11));
    }
    for (const [index, name] of reads.entries()) program.emit(word.csrrs(16 + index, csrAddress(name), 0));
    program.emit(word.csrrw(0, csrAddress("mstatus"), 10), word.csrrw(0, csrAddress("mie"), 0));
    program.emit(word.csrrw(0, csrAddress("mtvec"), 6));
    for (const index of reads.keys()) program.emit(word.sd(16 + index, index * 8, 8));
    program.emit(word.addi(8, 8, MAX_READS * 8));
  }
  program.stop();
  const memory = program.run();
  const trapped = memory.readBigUInt64LE(NOTE);
  const epc = memory.readBigUInt64LE(NOTE + 8);
  expect({ trapped, epc }).toEqual({ trapped: 0n, epc: 0n });
  return steps.map(({ reads }, step) =>
    reads.map((_, index) => memory.readBigUInt64LE(DATA_OFFSET + (step * MAX_READS + index) * 8)),
  );
}

/** What this processor reads. */
function ourReads(steps: readonly Step[]): bigint[][] {
  const harness = new CsrHarness();
  const methods = { csrrw: "write", csrrs: "setBits", csrrc: "clearBits" } as const;
  harness.now = 1000;
  harness.write("mtvec", BigInt(RAM_BASE + HANDLER));
  harness.write("mstatus", SAFE_MSTATUS);
  return steps.map(({ accesses, reads }) => {
    for (const { name, operation, value } of accesses) harness[methods[operation]](name, value);
    const values = reads.map((name) => harness.read(name));
    harness.write("mstatus", SAFE_MSTATUS);
    harness.write("mie", 0n);
    harness.write("mtvec", BigInt(RAM_BASE + HANDLER));
    return values;
  });
}

/** Fails unless all that is read is the same here and in QEMU, known differences apart. */
export function compareSteps(steps: readonly Step[]): void {
  const theirs = qemuReads(steps);
  const ours = ourReads(steps);
  const wrong: string[] = [];
  steps.forEach(({ accesses, reads }, step) => {
    reads.forEach((name, index) => {
      const compared = ~(QEMU_DIFFERENCES[name]?.bits ?? 0n);
      const [us, qemu] = [ours[step]![index]!, theirs[step]![index]!];
      if ((us & compared) === (qemu & compared)) return;
      const done = accesses.map((a) => `${a.operation} ${a.name} 0x${a.value.toString(16)}`).join("; ");
      wrong.push(`step ${step}: ${done}: ${name} is 0x${us.toString(16)}, QEMU 0x${qemu.toString(16)}`);
    });
  });
  expect(wrong.slice(0, 20)).toEqual([]);
}

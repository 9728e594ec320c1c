import { describe, expect, it } from "vitest";
import { csrName } from "../src/csr/names.ts";
import { State } from "../src/state.ts";
import { CsrHarness } from "./csr-harness.ts";
import { existsOnOneSide } from "./csr-qemu-differences.ts";
import { DATA_OFFSET, QemuProgram, RAM_BASE } from "./csr-qemu-machine.ts";
import { csrAddress, Random } from "./csr-qemu-steps.ts";
import * as word from "./csr-qemu-words.ts";

/** A mode, and what decides about access in it. */
interface Setting {
  readonly mode: 0 | 1 | 3;
  readonly csrs: Readonly<Record<string, bigint>>;
}

const ADDRESSES: readonly number[] = Array.from({ length: 4096 }, (_, address) => address).filter(
  (address) => !existsOnOneSide(address),
);
const HANDLER = 0x100;
const START = 0x400;
const ILLEGAL_INSTRUCTION = 2;

/** For each setting the causes of the traps that a read and a write of each address took, 0 for none. */
function qemuCauses(settings: readonly Setting[]): Uint8Array[] {
  const program = new QemuProgram();
  program.constant(6, BigInt(RAM_BASE + HANDLER));
  program.constant(8, BigInt(RAM_BASE + DATA_OFFSET));
  program.constant(28, 0x1800n);
  program.constant(11, 0x200_4000n);
  program.emit(word.addi(12, 0, -1), word.sd(12, 0, 11), word.addi(29, 0, 8));
  program.emit(word.csrrw(0, csrAddress("mtvec"), 6));
  program.emit(word.addi(11, 0, 0x1f), word.csrrw(0, csrAddress("pmpaddr0"), 12));
  program.emit(word.csrrw(0, csrAddress("pmpcfg0"), 11));
  program.emit(word.jal(0, START - program.at));
  // Notes the cause, goes on after the instruction; after an environment call in M-mode.
  program.at = HANDLER;
  program.emit(word.csrrs(31, csrAddress("mcause"), 0), word.addi(9, 31, 0));
  program.emit(word.csrrs(30, csrAddress("mepc"), 0), word.addi(30, 30, 4));
  program.emit(word.csrrw(0, csrAddress("mepc"), 30), word.bltu(31, 29, 8));
  program.emit(word.csrrs(0, csrAddress("mstatus"), 28), word.mret);
  program.at = START;
  for (const { mode, csrs } of settings) {
    for (const [name, value] of Object.entries(csrs)) {
      const mpp = name === "mstatus" ? BigInt(mode) << 11n : 0n;
      program.constant(11, value | mpp);
      program.emit(word.csrrw(0, csrAddress(name), 11));
    }
    program.constant(11, BigInt(RAM_BASE + program.at + 7 * 4));
    program.emit(word.csrrw(0, csrAddress("mepc"), 11), word.mret);
    for (const address of ADDRESSES) {
      // What was read is written back. (To set no bits would not do, see the known differences.)
      program.emit(word.addi(9, 0, 0), word.csrrs(13, address, 0), word.sb(9, 0, 8));
      program.emit(word.addi(9, 0, 0), word.csrrw(0, address, 13), word.sb(9, 1, 8), word.addi(8, 8, 2));
    }
    program.emit(word.ecall);
  }
  program.stop();
  const memory = program.run();
  const length = ADDRESSES.length * 2;
  return settings.map((_, index) =>
    Uint8Array.from(memory.subarray(DATA_OFFSET + index * length, DATA_OFFSET + (index + 1) * length)),
  );
}

describe("access to CSRs against QEMU", () => {
  it("allows reads and writes of all 4096 addresses in M-, S- and U-mode under random controls", () => {
    const random = new Random(0x0dd_ba11_0dd_ba11n);
    const settings = Array.from({ length: 36 }, (_, index): Setting => {
      const floating = BigInt(random.below(4)) << 13n;
      const trapping = BigInt(random.below(2)) << 20n;
      return {
        mode: ([3, 1, 0] as const)[index % 3]!,
        csrs: {
          mcounteren: random.value() & 0x7_ffffn,
          scounteren: random.value() & 0x7_ffffn,
          stimecmp: 1n << 45n,
          menvcfg: BigInt(random.below(2)) << 63n,
          mstatus: floating | trapping,
        },
      };
    });
    const causes = qemuCauses(settings);
    const harness = new CsrHarness();
    const wrong: string[] = [];
    const seen = new Set<string>();
    settings.forEach(({ mode, csrs }, index) => {
      harness.set32(State.MODE, mode);
      for (const [name, value] of Object.entries(csrs)) harness.write(name, value);
      for (const [at, address] of ADDRESSES.entries()) {
        for (const write of [false, true]) {
          const legal = harness.legal(address, write);
          const cause = causes[index]![at * 2 + (write ? 1 : 0)]!;
          seen.add(`${mode} ${legal}`);
          if (cause === (legal ? 0 : ILLEGAL_INSTRUCTION)) continue;
          const settled = Object.entries(csrs).map(([name, value]) => `${name}=0x${value.toString(16)}`);
          wrong.push(
            `${csrName(address) ?? `0x${address.toString(16)}`}, ${write ? "write" : "read"} in mode ${mode} with ` +
              `${settled.join(" ")}: ${legal ? "legal" : "illegal"}, QEMU's cause ${cause}`,
          );
        }
      }
    });
    expect(wrong.slice(0, 20)).toEqual([]);
    expect([...seen].sort()).toEqual(["0 false", "0 true", "1 false", "1 true", "3 false", "3 true"]);
  }, 120_000);
});

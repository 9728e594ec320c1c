import { describe, expect, it } from "vitest";
import { Mstatus } from "../src/csr/table.ts";
import { State } from "../src/state.ts";
import { Exception, Interrupt, InterruptBit, SUPERVISOR_INTERRUPTS } from "../src/trap/causes.ts";
import { setLine } from "../src/trap/interrupt-lines.ts";
import { CsrHarness } from "./csr-harness.ts";
import { QEMU_DIFFERENCES, withoutReserved } from "./csr-qemu-differences.ts";
import { DATA_OFFSET, QemuProgram, RAM_BASE } from "./csr-qemu-machine.ts";
import { csrAddress, Random } from "./csr-qemu-steps.ts";
import * as word from "./csr-qemu-words.ts";

/** What MRET returns to. Two no-ops and a breakpoint follow. */
type Landing = "ecall" | "illegal" | "load" | "store" | "nop" | "sret";

interface Scenario {
  /** CSRs in the order in which they are written; `mstatus` is last and holds the mode to return to. */
  readonly csrs: readonly (readonly [name: string, value: bigint])[];
  readonly softwareLine: boolean;
  readonly timerLine: boolean;
  readonly landing: Landing;
}

const MACHINE_TABLE = 0x1000;
const SUPERVISOR_TABLE = 0x1800;
const START = 0x2000;
const CLINT = 0x200_0000n;
const MTIMECMP = 0x200_4000n;
/** An address at which nothing answers. */
const NOWHERE = 0x40n;
const SEEN: readonly string[] = ["mcause", "mepc", "mtval", "mstatus", "mip", "scause", "sepc", "stval"];
/** Where the breakpoint is behind the landing, to which SRET returns. */
const BREAKPOINT = 12;
/** The CSRs, then the vector slots through which M-mode and S-mode were entered. */
const RECORD = (SEEN.length + 2) * 8;

const LANDING_WORDS: Readonly<Record<Landing, number>> = {
  ecall: word.ecall,
  illegal: 0xffff_ffff,
  load: word.ld(7, 0, 7),
  store: word.sd(7, 0, 7),
  nop: word.nop,
  sret: word.sret,
};

function randomScenario(random: Random): Scenario {
  const base = BigInt(RAM_BASE);
  const interrupts = SUPERVISOR_INTERRUPTS | InterruptBit.MSIP | InterruptBit.MTIP | InterruptBit.MEIP;
  const sparse = (mask: number): bigint =>
    random.next64() & BigInt(mask) & random.pick([0n, -1n, random.next64()]);
  const breakpoint = 1n << BigInt(Exception.BREAKPOINT);
  const landing = random.pick(["ecall", "illegal", "load", "store", "nop", "sret"] as const);
  let status = withoutReserved("mstatus", random.value());
  // QEMU does not clear MPRV on the way out of M-mode.
  if (landing === "sret" || (status & Mstatus.MPP) !== Mstatus.MPP) status &= ~Mstatus.MPRV;
  return {
    csrs: [
      // How the program leaves S-mode is by a breakpoint.
      ["medeleg", random.value() & 0xb3ffn & ~breakpoint],
      ["mideleg", sparse(SUPERVISOR_INTERRUPTS)],
      ["mie", sparse(interrupts)],
      ["mip", sparse(SUPERVISOR_INTERRUPTS)],
      ["mtvec", base + BigInt(MACHINE_TABLE + random.below(2))],
      ["stvec", base + BigInt(SUPERVISOR_TABLE + random.below(2))],
      // MIE is off until MRET.
      ["mstatus", status & ~Mstatus.MIE],
    ],
    softwareLine: random.below(4) === 0,
    timerLine: random.below(4) === 0,
    landing,
  };
}

/** Writes the program and gives back the address of each scenario's landing. */
function writeProgram(program: QemuProgram, scenarios: readonly Scenario[]): bigint[] {
  program.constant(8, BigInt(RAM_BASE + DATA_OFFSET));
  program.constant(9, CLINT);
  program.constant(10, MTIMECMP);
  program.emit(word.addi(12, 0, -1), word.addi(13, 0, 0x1f), word.addi(14, 0, 1));
  program.emit(word.csrrw(0, csrAddress("pmpaddr0"), 12), word.csrrw(0, csrAddress("pmpcfg0"), 13));
  program.emit(word.jal(0, START - program.at));

  // Vector tables say through which slot control came by the link register.
  const machine = MACHINE_TABLE + 0x100;
  const supervisor = SUPERVISOR_TABLE + 0x100;
  for (let slot = 0; slot < 64; slot++) {
    program.at = MACHINE_TABLE + 4 * slot;
    program.emit(word.jal(1, machine - program.at));
    program.at = SUPERVISOR_TABLE + 4 * slot;
    program.emit(word.jal(27, supervisor - program.at));
  }
  program.at = supervisor;
  program.emit(word.ebreak);
  program.at = machine;
  for (const [index, name] of SEEN.entries()) program.emit(word.csrrs(16 + index, csrAddress(name), 0));
  // Loads and stores at once as M-mode, whatever MPRV says: all memory is open.
  for (const index of SEEN.keys()) program.emit(word.sd(16 + index, 8 * index, 8));
  program.emit(word.sd(1, 8 * SEEN.length, 8), word.sd(27, 8 * SEEN.length + 8, 8));
  program.emit(word.addi(8, 8, RECORD), word.jalr(0, 0, 5));

  program.at = START;
  const landings = scenarios.map(({ csrs, softwareLine, timerLine, landing }) => {
    program.emit(word.csrrw(0, csrAddress("mstatus"), 0), word.csrrw(0, csrAddress("mie"), 0));
    program.emit(word.sw(softwareLine ? 14 : 0, 0, 9), word.sd(timerLine ? 0 : 12, 0, 10));
    program.emit(word.addi(27, 0, 0));
    for (const [name, value] of csrs) {
      program.constant(11, value);
      program.emit(word.csrrw(0, csrAddress(name), 11));
    }
    program.constant(7, NOWHERE);
    // Two constants of 20 bytes, four instructions, then the landing of 16 bytes.
    const target = program.at + 2 * 20 + 4 * 4;
    program.constant(11, BigInt(RAM_BASE + target));
    program.constant(5, BigInt(RAM_BASE + target + 16));
    program.emit(word.csrrw(0, csrAddress("mepc"), 11), word.addi(11, 11, BREAKPOINT));
    program.emit(word.csrrw(0, csrAddress("sepc"), 11), word.mret);
    program.emit(LANDING_WORDS[landing], word.nop, word.nop, word.ebreak);
    return BigInt(RAM_BASE + target);
  });
  program.stop();
  return landings;
}

/** Does what the hardware does from MRET on until M-mode is entered, and gives back the record. */
function ourRecord(harness: CsrHarness, scenario: Scenario, landing: bigint): bigint[] {
  harness.write("mstatus", 0n);
  harness.write("mie", 0n);
  setLine(harness.view, harness.state, Interrupt.MACHINE_SOFTWARE, scenario.softwareLine);
  setLine(harness.view, harness.state, Interrupt.MACHINE_TIMER, scenario.timerLine);
  for (const [name, value] of scenario.csrs) harness.write(name, value);
  harness.write("mepc", landing);
  harness.write("sepc", landing + BigInt(BREAKPOINT));
  harness.mret();
  const table = (offset: number): bigint => BigInt(RAM_BASE + offset);
  const slots = { machine: 0n, supervisor: 0n };
  for (let step = 0; step < 8; step++) {
    const pc = harness.get64(State.PC);
    if (pc >= table(MACHINE_TABLE) && pc < table(MACHINE_TABLE + 0x100)) {
      slots.machine = pc + 4n;
      return [...SEEN.map((name) => harness.read(name)), slots.machine, slots.supervisor];
    }
    const pending = harness.pending();
    if (pending !== undefined) harness.interrupt(pending);
    else if (pc >= table(SUPERVISOR_TABLE) && pc < table(SUPERVISOR_TABLE + 0x100)) {
      slots.supervisor = pc + 4n;
      harness.set64(State.PC, table(SUPERVISOR_TABLE + 0x100));
    } else if (pc === table(SUPERVISOR_TABLE + 0x100)) harness.exception(Exception.BREAKPOINT);
    else execute(harness, scenario.landing, pc === landing);
  }
  throw new Error(`no trap to M-mode came: pc 0x${harness.get64(State.PC).toString(16)}`);
}

/** Executes the instruction at `pc`, the landing or one of those behind it. */
function execute(harness: CsrHarness, landing: Landing, first: boolean): void {
  const mode = harness.get32(State.MODE);
  const illegal = BigInt(LANDING_WORDS[landing]);
  const denied = mode === 0 || (mode === 1 && (harness.read("mstatus") & Mstatus.TSR) !== 0n);
  if (!first) harness.exception(Exception.BREAKPOINT);
  else if (landing === "ecall") harness.exception(Exception.ECALL_FROM_USER + mode);
  else if (landing === "load") harness.exception(Exception.LOAD_ACCESS_FAULT, NOWHERE);
  else if (landing === "store") harness.exception(Exception.STORE_ACCESS_FAULT, NOWHERE);
  else if (landing === "illegal" || (landing === "sret" && denied)) {
    harness.exception(Exception.ILLEGAL_INSTRUCTION, illegal);
  } else if (landing === "sret") harness.sret();
  else harness.set64(State.PC, harness.get64(State.PC) + BigInt(BREAKPOINT));
}

describe("traps against QEMU", () => {
  it("delegation, stacking, vectors, priorities and returns in 10,000 random situations", () => {
    const random = new Random(0xabad_1dea_0000_0007n);
    const scenarios = Array.from({ length: 10_000 }, () => randomScenario(random));
    const program = new QemuProgram();
    const landings = writeProgram(program, scenarios);
    // Without the advanced interrupt architecture QEMU takes the interrupt with the lowest number first.
    const memory = program.run(",x-smaia=true,x-ssaia=true");
    const harness = new CsrHarness();
    const wrong: string[] = [];
    scenarios.forEach((scenario, index) => {
      const ours = ourRecord(harness, scenario, landings[index]!);
      ours.forEach((value, field) => {
        const name = SEEN[field] ?? (field === SEEN.length ? "machine slot" : "supervisor slot");
        const theirs = memory.readBigUInt64LE(DATA_OFFSET + index * RECORD + 8 * field);
        const compared = ~(QEMU_DIFFERENCES[name]?.bits ?? 0n);
        if ((value & compared) === (theirs & compared)) return;
        const set = scenario.csrs.map(([csr, written]) => `${csr}=0x${written.toString(16)}`).join(" ");
        wrong.push(
          `${index}, ${scenario.landing}, ${set}, lines ${scenario.softwareLine} ${scenario.timerLine}: ` +
            `${name} 0x${value.toString(16)}, QEMU 0x${theirs.toString(16)}`,
        );
      });
    });
    expect(wrong.slice(0, 20)).toEqual([]);
  }, 120_000);
});

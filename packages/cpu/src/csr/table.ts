import { State } from "../state.ts";
import { DELEGABLE_EXCEPTIONS, InterruptBit, SUPERVISOR_INTERRUPTS } from "../trap/causes.ts";
import type { Csr, CsrEffect, CsrField, CsrRule } from "./description.ts";

/** Fields of `mstatus` by mask. */
export const Mstatus = {
  SIE: 0x2n,
  MIE: 0x8n,
  SPIE: 0x20n,
  MPIE: 0x80n,
  SPP: 0x100n,
  MPP: 0x1800n,
  FS: 0x6000n,
  MPRV: 0x2_0000n,
  SUM: 0x4_0000n,
  MXR: 0x8_0000n,
  TVM: 0x10_0000n,
  TW: 0x20_0000n,
  TSR: 0x40_0000n,
  UXL: 0x3_0000_0000n,
  SXL: 0xc_0000_0000n,
  SD: 0x8000_0000_0000_0000n,
} as const;

/** Fields of `menvcfg` by mask. */
export const Menvcfg = {
  FIOM: 0x1n,
  CBIE: 0x30n,
  CBCFE: 0x40n,
  CBZE: 0x80n,
  ADUE: 0x2000_0000_0000_0000n,
  STCE: 0x8000_0000_0000_0000n,
} as const;

/** The counters that `mcountinhibit` stops, by bit, and where their bias is. */
export const INHIBITABLE: readonly { readonly bit: number; readonly bias: number }[] = [
  { bit: 0, bias: State.CYCLE_BIAS },
  { bit: 2, bias: State.INSTRET_BIAS },
];

/** Writable bits of `mcountinhibit`: there is none for `time` (section 3.1.12). */
export const INHIBIT_WRITABLE = 0xffff_fffd;

/** `misa`: RV64 with A, C, D, F, I, M, S and U (section 3.1.1). Extensions cannot be switched off. */
const MISA: bigint = (2n << 62n) | [..."acdfimsu"].reduce((mask, letter) => mask | bit(letter), 0n);

function bit(letter: string): bigint {
  return 1n << BigInt(letter.charCodeAt(0) - 97);
}

function field(name: string, high: number, low: number = high, rest: Partial<CsrField> = {}): CsrField {
  return { name, high, low, ...rest };
}

interface RegisterOptions {
  readonly illegal?: "keep-field" | "ignore-write";
  readonly effects?: readonly CsrEffect[];
  readonly dirtyBit?: number;
}

function register(offset: number, fields: readonly CsrField[], options: RegisterOptions = {}): CsrRule {
  return { kind: "register", offset, fields, illegal: "keep-field", effects: [], ...options };
}

/** A register of which every bit can be written. */
function whole(offset: number, effects: readonly CsrEffect[] = []): CsrRule {
  return register(offset, [field("value", 63, 0)], { effects });
}

const zero: CsrRule = { kind: "constant", value: 0n };

const MSTATUS_FIELDS: readonly CsrField[] = [
  field("SIE", 1),
  field("MIE", 3),
  field("SPIE", 5),
  field("MPIE", 7),
  field("SPP", 8),
  field("MPP", 12, 11, { legal: [0, 1, 3] }),
  field("FS", 14, 13),
  field("MPRV", 17),
  field("SUM", 18),
  field("MXR", 19),
  field("TVM", 20),
  field("TW", 21),
  field("TSR", 22),
  field("UXL", 33, 32, { fixed: 2 }),
  field("SXL", 35, 34, { fixed: 2 }),
];

const SSTATUS_WRITABLE: bigint =
  Mstatus.SIE | Mstatus.SPIE | Mstatus.SPP | Mstatus.FS | Mstatus.SUM | Mstatus.MXR;

/** Cache-block and fence controls, which `menvcfg` and `senvcfg` share. CBIE 2 is reserved. */
const ENVIRONMENT_FIELDS: readonly CsrField[] = [
  field("FIOM", 0),
  field("CBIE", 5, 4, { legal: [0, 1, 3] }),
  field("CBCFE", 6),
  field("CBZE", 7),
];

function maskFields(mask: number): CsrField[] {
  const fields: CsrField[] = [];
  for (let index = 0; index < 32; index++) if ((mask >>> index) & 1) fields.push(field(`bit${index}`, index));
  return fields;
}

/** An exception program counter: bit 0 is zero, since instructions are aligned to 16 bits (section 3.1.14). */
function exceptionPc(offset: number): CsrRule {
  return register(offset, [field("PC", 63, 1)]);
}

/** A trap vector: a write with a reserved mode is ignored (section 3.1.7). */
function trapVector(offset: number): CsrRule {
  return register(offset, [field("BASE", 63, 2), field("MODE", 1, 0, { legal: [0, 1] })], {
    illegal: "ignore-write",
  });
}

function counterEnable(offset: number): CsrRule {
  return register(offset, [field("HPM", 31, 3), field("IR", 2), field("TM", 1), field("CY", 0)]);
}

function numbered(count: number, make: (index: number) => Csr): Csr[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const USER: readonly Csr[] = [
  { name: "fflags", address: 0x001, rule: { kind: "float", part: "fflags" }, guard: "float-on" },
  { name: "frm", address: 0x002, rule: { kind: "float", part: "frm" }, guard: "float-on" },
  { name: "fcsr", address: 0x003, rule: { kind: "float", part: "fcsr" }, guard: "float-on" },
  {
    name: "cycle",
    address: 0xc00,
    rule: { kind: "counter", bias: State.CYCLE_BIAS, inhibit: 0 },
    guard: "counter-enable",
  },
  { name: "time", address: 0xc01, rule: { kind: "time" }, guard: "counter-enable" },
  {
    name: "instret",
    address: 0xc02,
    rule: { kind: "counter", bias: State.INSTRET_BIAS, inhibit: 2 },
    guard: "counter-enable",
  },
  ...numbered(29, (i) => ({
    name: `hpmcounter${i + 3}`,
    address: 0xc03 + i,
    rule: zero,
    guard: "counter-enable" as const,
  })),
];

const SUPERVISOR: readonly Csr[] = [
  {
    name: "sstatus",
    address: 0x100,
    rule: {
      kind: "view",
      of: "mstatus",
      readable: SSTATUS_WRITABLE | Mstatus.UXL | Mstatus.SD,
      writable: SSTATUS_WRITABLE,
    },
  },
  {
    name: "sie",
    address: 0x104,
    rule: {
      kind: "view",
      of: "mie",
      readable: BigInt(SUPERVISOR_INTERRUPTS),
      writable: BigInt(SUPERVISOR_INTERRUPTS),
      limit: State.MIDELEG,
    },
  },
  { name: "stvec", address: 0x105, rule: trapVector(State.STVEC) },
  { name: "scounteren", address: 0x106, rule: counterEnable(State.SCOUNTEREN) },
  { name: "senvcfg", address: 0x10a, rule: register(State.SENVCFG, ENVIRONMENT_FIELDS) },
  { name: "sscratch", address: 0x140, rule: whole(State.SSCRATCH) },
  { name: "sepc", address: 0x141, rule: exceptionPc(State.SEPC) },
  { name: "scause", address: 0x142, rule: whole(State.SCAUSE) },
  { name: "stval", address: 0x143, rule: whole(State.STVAL) },
  {
    name: "sip",
    address: 0x144,
    rule: {
      kind: "view",
      of: "mip",
      readable: BigInt(SUPERVISOR_INTERRUPTS),
      writable: BigInt(InterruptBit.SSIP),
      limit: State.MIDELEG,
    },
  },
  {
    name: "stimecmp",
    address: 0x14d,
    rule: whole(State.STIMECMP, ["timer"]),
    guard: "timer-enable",
    needs: "sstc",
  },
  {
    name: "satp",
    address: 0x180,
    rule: register(
      State.SATP,
      [field("MODE", 63, 60, { legal: [0, 8, 9, 10] }), field("ASID", 59, 44), field("PPN", 43, 0)],
      { illegal: "ignore-write", effects: ["translation"] },
    ),
    guard: "translation-trap",
  },
];

const MACHINE: readonly Csr[] = [
  {
    name: "mstatus",
    address: 0x300,
    rule: register(State.MSTATUS, MSTATUS_FIELDS, { effects: ["contexts", "interrupts"], dirtyBit: 63 }),
  },
  { name: "misa", address: 0x301, rule: { kind: "constant", value: MISA } },
  { name: "medeleg", address: 0x302, rule: register(State.MEDELEG, maskFields(DELEGABLE_EXCEPTIONS)) },
  {
    name: "mideleg",
    address: 0x303,
    rule: register(State.MIDELEG, maskFields(SUPERVISOR_INTERRUPTS), { effects: ["interrupts"] }),
  },
  {
    name: "mie",
    address: 0x304,
    rule: register(
      State.MIE,
      maskFields(SUPERVISOR_INTERRUPTS | InterruptBit.MSIP | InterruptBit.MTIP | InterruptBit.MEIP),
      { effects: ["interrupts"] },
    ),
  },
  { name: "mtvec", address: 0x305, rule: trapVector(State.MTVEC) },
  { name: "mcounteren", address: 0x306, rule: counterEnable(State.MCOUNTEREN) },
  {
    name: "menvcfg",
    address: 0x30a,
    rule: register(
      State.MENVCFG,
      [
        ...ENVIRONMENT_FIELDS,
        field("ADUE", 61, 61, { needs: "svadu" }),
        field("STCE", 63, 63, { needs: "sstc" }),
      ],
      { effects: ["timer"] },
    ),
  },
  { name: "mcountinhibit", address: 0x320, rule: { kind: "inhibit" } },
  ...numbered(29, (i) => ({ name: `mhpmevent${i + 3}`, address: 0x323 + i, rule: zero })),
  { name: "mscratch", address: 0x340, rule: whole(State.MSCRATCH) },
  { name: "mepc", address: 0x341, rule: exceptionPc(State.MEPC) },
  { name: "mcause", address: 0x342, rule: whole(State.MCAUSE) },
  { name: "mtval", address: 0x343, rule: whole(State.MTVAL) },
  { name: "mip", address: 0x344, rule: { kind: "interrupt-pending" } },
  { name: "pmpcfg0", address: 0x3a0, rule: { kind: "pmp-configuration", first: 0 } },
  { name: "pmpcfg2", address: 0x3a2, rule: { kind: "pmp-configuration", first: 8 } },
  ...numbered(16, (i) => ({
    name: `pmpaddr${i}`,
    address: 0x3b0 + i,
    rule: { kind: "pmp-address" as const, entry: i },
  })),
  // No triggers: `tselect` holds zero only, and trigger 0 has type 0, "there is no trigger" (debug 1.0, section 5.7).
  { name: "tselect", address: 0x7a0, rule: zero },
  { name: "tdata1", address: 0x7a1, rule: zero },
  { name: "tdata2", address: 0x7a2, rule: zero },
  { name: "tdata3", address: 0x7a3, rule: zero },
  {
    name: "mcycle",
    address: 0xb00,
    rule: { kind: "counter", bias: State.CYCLE_BIAS, inhibit: 0 },
  },
  {
    name: "minstret",
    address: 0xb02,
    rule: { kind: "counter", bias: State.INSTRET_BIAS, inhibit: 2 },
  },
  ...numbered(29, (i) => ({ name: `mhpmcounter${i + 3}`, address: 0xb03 + i, rule: zero })),
  { name: "mvendorid", address: 0xf11, rule: zero },
  { name: "marchid", address: 0xf12, rule: zero },
  { name: "mimpid", address: 0xf13, rule: zero },
  { name: "mhartid", address: 0xf14, rule: register(State.MHARTID, [field("Hart", 63, 0)]) },
  { name: "mconfigptr", address: 0xf15, rule: zero },
];

/**
 * Every CSR, in order of address (privileged specification 1.12, chapter 2; Sstc; Svadu; cache-block operations).
 * Where the specification leaves freedom the choices are QEMU's, so that both can be compared bit for bit.
 */
export const CSRS: readonly Csr[] = [...USER, ...SUPERVISOR, ...MACHINE].sort(
  (a, b) => a.address - b.address,
);

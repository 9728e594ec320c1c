import { csrName } from "../../src/csr/names.ts";
import { decode } from "../../src/isa/decode.ts";
import { FIELDS, type FieldName } from "../../src/isa/fields.ts";
import type { Instruction } from "../../src/isa/instruction.ts";
import { existsOnOneSide } from "../csr-qemu-differences.ts";
import type { Environment } from "./environment.ts";
import { isOnQemu } from "./not-on-qemu.ts";

/** CSRs that any value may be written to: every bit is kept, or dropped alike. */
const FREELY_WRITTEN: ReadonlySet<string> = new Set([
  ...["fflags", "frm", "fcsr", "scause", "stval", "mcause", "mtval"],
]);

/** CSRs that take any five-bit immediate. */
const IMMEDIATE: ReadonlySet<string> = new Set([
  ...FREELY_WRITTEN,
  ...["mstatus", "sstatus", "mcounteren", "scounteren"],
]);

/** CSRs of which no value reaches a register: time and counters, version numbers, `menvcfg` for want of ADUE. */
function unstable(name: string): boolean {
  return (
    /^(m?cycle|time|m?instret|m?hpm(counter|event)\d+)$/.test(name) ||
    ["marchid", "mimpid", "menvcfg", "mcountinhibit", "stimecmp"].includes(name)
  );
}

/** Whether a CSR instruction with a source of any value does the same on QEMU and leaves the harness in control. */
function safeCsrAccess(word: number, { mode }: Environment): boolean {
  const address = FIELDS.csr.decode(word);
  const operation = (word >>> 12) & 3;
  const immediate = (word & 0x4000) !== 0;
  const source = FIELDS.zimm.decode(word);
  if (existsOnOneSide(address)) return false;
  const name = csrName(address);
  // Illegal in this mode, or everywhere.
  if (name === undefined || ((address >> 8) & 3) > mode) return true;
  if (address >> 10 === 3 && (operation === 1 || (immediate && source !== 0))) return true;
  if (unstable(name) && FIELDS.rd.decode(word) !== 0) return false;
  if (operation !== 1 && source === 0) return true;
  // CSRRS and CSRRC with a source register that holds zero write nothing on QEMU.
  if (address >> 10 === 3) return false;
  if (immediate) return IMMEDIATE.has(name);
  return FREELY_WRITTEN.has(name);
}

/**
 * Whether an instruction word may stand in a sequence: it goes on with the next instruction, traps or ends the
 * sequence, its memory accesses have a base that nothing else writes, and QEMU 7.2 has it where it is to judge.
 */
export function safeWord(word: number, environment: Environment): boolean {
  const instruction = decode(word);
  if (instruction === undefined) return true;
  const { name, flow, syntax, extension } = instruction;
  if (!environment.newer && !isOnQemu(instruction)) return false;
  if (flow === "branch" || flow === "jump" || flow === "indirect") return false;
  if (name === "wfi") return environment.mode === 0;
  if (name === "mret") return environment.mode < 3;
  if (name === "sret") return environment.mode === 0;
  if (extension === "zicsr" && !safeCsrAccess(word, environment)) return false;
  if (name === "ctzw" && !safeCtzw(word, environment)) return false;
  if (extension === "a" && !safeAtomic(word, name, environment)) return false;
  return safeBase(word, syntax, environment) && safeDestination(word, instruction, environment);
}

/** Atomics stay where there is memory, and LR and SC have one size; see {@link Environment}. */
function safeAtomic(word: number, name: string, environment: Environment): boolean {
  const { holes, roles, scheme, mode, reservationSize } = environment;
  if (/^(lr|sc)\./.test(name) && !name.endsWith(reservationSize)) return false;
  if (name.startsWith("lr.")) return true;
  if (holes) return false;
  return roles[FIELDS.rs1.decode(word)] === "pointer" || (scheme !== undefined && mode !== 3);
}

/** QEMU 7.2 counts on into the upper half when the lower one is zero (the Zbb chapter has 32 then). */
function safeCtzw(word: number, { roles, x }: Environment): boolean {
  const rs1 = FIELDS.rs1.decode(word);
  const value = x[rs1];
  return roles[rs1] === "wild" && typeof value === "bigint" && (value & 0xffff_ffffn) !== 0n;
}

function safeBase(word: number, syntax: string, environment: Environment): boolean {
  const { roles, holes, scheme, mode } = environment;
  if (!syntax.includes("(rs1)")) return true;
  const role = roles[FIELDS.rs1.decode(word)];
  if (!safeOffset(word, syntax, environment)) return false;
  if (role === "pointer") return true;
  // Without translation a wild address is a hole.
  return (role === "wild" || role === "zero") && (holes || (scheme !== undefined && mode !== 3));
}

/** Whether an offset keeps an access aligned, or in the page, where it must be. */
function safeOffset(word: number, syntax: string, { holes, protects }: Environment): boolean {
  if (!/imm[IS]/.test(syntax)) return true;
  const offset = syntax.includes("immS") ? FIELDS.immS.decode(word) : FIELDS.immI.decode(word);
  if (protects && Math.abs(offset) > 512) return false;
  return !holes || offset % 2 ** ((word >>> 12) & 3) === 0;
}

function safeDestination(
  word: number,
  { name, fields }: Instruction,
  { roles, holes }: Environment,
): boolean {
  if (!fields.includes("rd" satisfies FieldName)) return true;
  const rd = FIELDS.rd.decode(word);
  const role = roles[rd];
  if (role === "free" || role === "zero") return true;
  // Pointers may move a little.
  if (role !== "pointer" || name !== "addi" || FIELDS.rs1.decode(word) !== rd) return false;
  const step = FIELDS.immI.decode(word);
  return Math.abs(step) <= 32 && (!holes || step % 8 === 0);
}

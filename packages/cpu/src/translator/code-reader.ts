import type { MachineMemory } from "@isomorph/mmu";
import { csrByName } from "../csr/index.ts";
import { decode } from "../isa/decode.ts";
import { FIELDS } from "../isa/fields.ts";
import type { Instruction } from "../isa/instruction.ts";

/** A decoded instruction of guest code. */
export interface DecodedInstruction {
  readonly instruction: Instruction;
  /** The 32-bit word, expanded. */
  readonly word: number;
  /** Host address; in a second page, as if that followed the first one: see {@link Pages}. */
  readonly address: number;
  /** Bytes, 2 or 4. */
  readonly length: number;
  /** Integer registers that it reads and writes, as bit sets. */
  readonly read: number;
  readonly written: number;
  /** What it does if it transfers control. */
  readonly transfer: Transfer | undefined;
}

export const PAGE_SIZE = 4096;

/** Reads guest code. */
export interface CodeReader {
  /** Whether there is a translation that starts at a host address. */
  readonly isTranslated: (host: number) => boolean;
  /** The 16 bits at an even host address. */
  readonly parcel: (host: number) => number;
  /** What a compressed instruction stands for. */
  readonly expand: (parcel: number) => number;
}

/** Reads guest code from the machine's memory. */
export function codeReader(
  { memories: { memory, ram } }: MachineMemory,
  expansionTable: number,
  isTranslated: CodeReader["isTranslated"],
): CodeReader {
  const code = new DataView(ram.buffer);
  const tables = new DataView(memory.buffer);
  return {
    isTranslated,
    parcel: (host) => code.getUint16(host, true),
    expand: (parcel) => tables.getUint32(expansionTable + parcel * 4, true),
  };
}

/** Host addresses of the page of an entry and of the page that follows it for the guest, if that is known. */
export interface Pages {
  readonly first: number;
  readonly second: number | undefined;
}

/** The host address of a place that is given by its address in the run of both pages from the first one on. */
export function hostOf({ first, second }: Pages, address: number): number {
  return second === undefined || address - first < PAGE_SIZE ? address : address - first - PAGE_SIZE + second;
}

/** The instruction at an address of a region; undefined when it is none, or reaches out of the pages. */
export function readInstruction(
  reader: CodeReader,
  pages: Pages,
  address: number,
): DecodedInstruction | undefined {
  const low = reader.parcel(hostOf(pages, address));
  if ((low & 3) !== 3) return decoded(reader.expand(low), address, 2);
  const end = address + 2 - pages.first;
  if (end === (pages.second === undefined ? PAGE_SIZE : 2 * PAGE_SIZE)) return undefined;
  return decoded(low | (reader.parcel(hostOf(pages, address + 2)) << 16), address, 4);
}

function decoded(word: number, address: number, length: number): DecodedInstruction | undefined {
  const instruction = decode(word);
  if (instruction === undefined) return undefined;
  const { hasRs1, hasRs2, hasRd, flow } = instruction;
  const rs1 = hasRs1 ? 1 << ((word >>> 15) & 31) : 0;
  const rs2 = hasRs2 ? 1 << ((word >>> 20) & 31) : 0;
  const rd = hasRd ? 1 << ((word >>> 7) & 31) : 0;
  const transfer = flow === "next" || flow === "system" ? undefined : transferOf(flow, word);
  return {
    instruction,
    word,
    address,
    length,
    read: (rs1 | rs2) & ~1,
    written: rd & ~1,
    transfer,
  };
}

/** What an instruction that transfers control does. */
export type Transfer = "branch" | "jump" | "call" | "indirect" | "indirect-call" | "return";

/** After these, control can reach the next instruction. */
export const RETURNS_HERE: ReadonlySet<Transfer> = new Set(["branch", "call", "indirect-call"]);

/** Tells calls and returns by the link registers (unprivileged specification 20240411, section 2.5.1). */
function transferOf(flow: "branch" | "jump" | "indirect", word: number): Transfer {
  if (flow === "branch") return "branch";
  const isLinked = isLink((word >>> 7) & 31);
  if (flow === "jump") return isLinked ? "call" : "jump";
  if (isLinked) return "indirect-call";
  return isLink((word >>> 15) & 31) ? "return" : "indirect";
}

function isLink(register: number): boolean {
  return register === 1 || register === 5;
}

/** Whether a region may have it in it; the others are the interpreter's. */
export function isTranslatable(decoded: DecodedInstruction): boolean {
  const { instruction, word } = decoded;
  if (instruction.flow === "system") return isTranslatableSystem(decoded);
  // Reserved rounding modes are illegal instructions.
  if (!instruction.fields.includes("rm")) return true;
  const mode = FIELDS.rm.decode(word);
  return mode <= 4 || mode === 7;
}

/** Reads of CSRs, writes of those that do not change what code is executed next, and the zeroing of blocks. */
function isTranslatableSystem(decoded: DecodedInstruction): boolean {
  const { extension } = decoded.instruction;
  if (extension === "zicboz") return true;
  if (extension !== "zicsr") return false;
  return !writesCsr(decoded) || HARMLESS_CSRS.has(FIELDS.csr.decode(decoded.word));
}

const HARMLESS_CSRS: ReadonlySet<number> = new Set(
  [
    ...["fflags", "frm", "fcsr", "sstatus", "sie", "sip", "stvec", "sscratch", "sepc", "scause", "stval"],
    "stimecmp",
  ].map((name) => csrByName(name) as number),
);

/** Whether a CSR instruction writes (unprivileged specification 20240411, chapter 6). */
export function writesCsr({ instruction, word }: DecodedInstruction): boolean {
  return instruction.name.startsWith("csrrw") || FIELDS.rs1.decode(word) !== 0;
}

/** Where a branch or jump that is no call goes, as a host address that may lie outside the page. */
export function targetOf({ transfer, word, address }: DecodedInstruction): number | undefined {
  if (transfer === "branch") return address + FIELDS.immB.decode(word);
  if (transfer === "jump") return address + FIELDS.immJ.decode(word);
  return undefined;
}

/** Where a direct call goes. */
export function targetOfCall(decoded: DecodedInstruction | undefined): number | undefined {
  return decoded?.transfer === "call" ? decoded.address + FIELDS.immJ.decode(decoded.word) : undefined;
}

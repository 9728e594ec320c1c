import { csrByName } from "../csr/index.ts";
import { decode } from "../isa/decode.ts";
import { FIELDS } from "../isa/fields.ts";
import type { Instruction } from "../isa/instruction.ts";

/** A decoded instruction of guest code. */
export interface DecodedInstruction {
  readonly instruction: Instruction;
  /** The 32-bit word, expanded. */
  readonly word: number;
  /** Host address. */
  readonly address: number;
  /** Bytes, 2 or 4. */
  readonly length: number;
  /** Integer registers that it reads and writes, as bit sets. */
  readonly read: number;
  readonly written: number;
  /** What it does if it transfers control. */
  readonly transfer: Transfer | undefined;
}

/** A run of instructions that is entered at its start only. */
export interface Block {
  readonly start: number;
  /** Host address after the last instruction. */
  readonly end: number;
  readonly instructions: readonly DecodedInstruction[];
  /** Host address of the static target of the branch or jump at the end, if there is one; not that of a call. */
  readonly target: number | undefined;
  /** Whether control can reach `end`; after a call, when it returns. */
  readonly fallsThrough: boolean;
  /** Whether it ends with a call. */
  readonly isCall: boolean;
  /** Integer registers that it reads before it writes them, and that it writes, as bit sets. */
  readonly exposed: number;
  readonly written: number;
}

/** What is translated as one function: blocks of one page, the entry first. */
export interface Region {
  readonly blocks: readonly Block[];
  /** Integer registers read or written, as a bit set. */
  readonly used: number;
  /** Whether it has floating-point instructions. */
  readonly usesFloat: boolean;
}

const PAGE_MASK = -4096;
const MAX_INSTRUCTIONS = 256;

/** Reads one instruction of guest code. */
export type ReadInstruction = (address: number) => DecodedInstruction | undefined;

/** Reads instructions from host memory; none crosses its page. */
export function instructionReader(view: DataView, expansionTable: number): ReadInstruction {
  return (address) => {
    const half = view.getUint16(address, true);
    if ((half & 3) !== 3) {
      return decoded(view.getUint32(expansionTable + half * 4, true), address, 2);
    }
    if ((address & 4095) === 4094) return undefined;
    return decoded(view.getUint32(address, true), address, 4);
  };
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

const PARCELS = 2048;
/** The page under way, by parcel: instructions that begin there, and whether a block does. */
const found: (DecodedInstruction | undefined)[] = new Array(PARCELS).fill(undefined);
const leads = new Uint8Array(PARCELS);

/**
 * Collects the code of its page that is reachable from `entry` by static control flow. It stops
 * before instructions that only the interpreter executes. Undefined when the very first is one of them.
 */
export function discoverRegion(read: ReadInstruction, entry: number): Region | undefined {
  const page = entry & PAGE_MASK;
  const first = (entry & ~PAGE_MASK) >>> 1;
  found.fill(undefined);
  leads.fill(0);
  leads[first] = 1;
  const work = [first];
  let size = 0;
  let lowest = first;
  let last = first;
  while (work.length > 0) {
    let parcel = work.pop() as number;
    while (parcel < PARCELS && found[parcel] === undefined && size < MAX_INSTRUCTIONS) {
      const next = read((page + parcel * 2) >>> 0);
      if (next === undefined || !isTranslatable(next)) break;
      found[parcel] = next;
      size++;
      if (parcel > last) last = parcel;
      const { transfer } = next;
      parcel += next.length >>> 1;
      if (transfer === undefined) continue;
      const target = targetOf(next);
      if (target !== undefined && ((target ^ page) & PAGE_MASK) === 0) {
        const at = (target & ~PAGE_MASK) >>> 1;
        if (at < lowest) lowest = at;
        leads[at] = 1;
        work.push(at);
      }
      if (parcel < PARCELS) leads[parcel] = 1;
      if (!RETURNS_HERE.has(transfer)) break;
    }
  }
  return size === 0 ? undefined : assemble(first, lowest, last);
}

/** Cuts the instructions that were found, from parcel `lowest` to `last`, into blocks; the one at `first` is the entry. */
function assemble(first: number, lowest: number, last: number): Region {
  const blocks: Block[] = [];
  let used = 0;
  let usesFloat = false;
  for (let parcel = lowest; parcel <= last; ) {
    let next = found[parcel];
    if (next === undefined) {
      parcel++;
      continue;
    }
    const instructions: DecodedInstruction[] = [];
    let exposed = 0;
    let written = 0;
    let end = next;
    do {
      instructions.push(next);
      end = next;
      exposed |= next.read & ~written;
      written |= next.written;
      const { extension } = next.instruction;
      usesFloat ||= extension === "f" || extension === "d";
      parcel += next.length >>> 1;
      next = parcel > last || leads[parcel] === 1 ? undefined : found[parcel];
    } while (next !== undefined && end.transfer === undefined);
    const { transfer } = end;
    const isCall = transfer === "call" || transfer === "indirect-call";
    const start = (instructions[0] as DecodedInstruction).address;
    const isEntry = (start & ~PAGE_MASK) >>> 1 === first;
    blocks[isEntry ? "unshift" : "push"]({
      start,
      end: end.address + end.length,
      instructions,
      target: targetOf(end),
      fallsThrough: transfer === undefined || RETURNS_HERE.has(transfer),
      isCall,
      exposed,
      written,
    });
    used |= exposed | written;
  }
  return { blocks, used, usesFloat };
}

/** What an instruction that transfers control does. */
export type Transfer = "branch" | "jump" | "call" | "indirect" | "indirect-call" | "return";

/** After these, control can reach the next instruction. */
const RETURNS_HERE: ReadonlySet<Transfer> = new Set(["branch", "call", "indirect-call"]);

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

function isTranslatable(decoded: DecodedInstruction): boolean {
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
function targetOf({ transfer, word, address }: DecodedInstruction): number | undefined {
  if (transfer === "branch") return address + FIELDS.immB.decode(word);
  if (transfer === "jump") return address + FIELDS.immJ.decode(word);
  return undefined;
}

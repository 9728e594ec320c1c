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

/** A run of instructions that is entered at its start only. */
export interface Block {
  readonly start: number;
  /** Address after the last instruction. */
  readonly end: number;
  readonly instructions: readonly DecodedInstruction[];
  /** Address of the static target of the branch or jump at the end, if there is one; not that of a call. */
  readonly target: number | undefined;
  /** Whether control can reach `end`; after a call, when it returns. */
  readonly fallsThrough: boolean;
  /** Whether it ends with a call. */
  readonly isCall: boolean;
  /** Integer registers that it reads before it writes them, and that it writes, as bit sets. */
  readonly exposed: number;
  readonly written: number;
}

/** What is translated as one function: blocks of a page and the one that follows it, the entry first. */
export interface Region {
  /** The second page is there only if there are blocks in it. */
  readonly pages: Pages;
  readonly blocks: readonly Block[];
  /** Integer registers read or written, as a bit set. */
  readonly used: number;
  /** Whether it has floating-point instructions. */
  readonly usesFloat: boolean;
  /** Addresses at which it goes on in another region although it might have gone on itself. */
  readonly seams: ReadonlySet<number>;
}

const PAGE_SIZE = 4096;
const MAX_INSTRUCTIONS = 256;

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
  view: DataView,
  expansionTable: number,
  isTranslated: CodeReader["isTranslated"],
): CodeReader {
  return {
    isTranslated,
    parcel: (host) => view.getUint16(host, true),
    expand: (parcel) => view.getUint32(expansionTable + parcel * 4, true),
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

/** The instruction at a place of a region. */
function readInstruction(reader: CodeReader, pages: Pages, address: number): DecodedInstruction | undefined {
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

const PAGE_PARCELS = PAGE_SIZE / 2;
/** The pages under way, by parcel: instructions that begin there, and whether a block does. */
const found: (DecodedInstruction | undefined)[] = new Array(2 * PAGE_PARCELS).fill(undefined);
const leads = new Uint8Array(2 * PAGE_PARCELS);

/**
 * Collects the code of its page, and of the page after that where it is known, that is reachable from `entry` by static
 * control flow. It stops before instructions that only the interpreter executes, and unless it is to be whole, where
 * there are translations already. Undefined when the very first is one that only the interpreter executes.
 */
export function discoverRegion(
  reader: CodeReader,
  entry: number,
  secondPage: number | undefined,
  isWhole: boolean,
): Region | undefined {
  const pages: Pages = { first: entry - (entry & (PAGE_SIZE - 1)), second: secondPage };
  const start = pages.first;
  const parcels = secondPage === undefined ? PAGE_PARCELS : 2 * PAGE_PARCELS;
  const first = (entry - start) >>> 1;
  found.fill(undefined);
  leads.fill(0);
  leads[first] = 1;
  // An instruction across the boundary needs both pages: it leads what does.
  leads[PAGE_PARCELS] = 1;
  leads[PAGE_PARCELS - 1] = 1;
  const work = [first];
  const seams = new Set<number>();
  let size = 0;
  let lowest = first;
  let last = first;
  while (work.length > 0) {
    let parcel = work.pop() as number;
    while (parcel < parcels && found[parcel] === undefined && size < MAX_INSTRUCTIONS) {
      if (!isWhole && parcel !== first && reader.isTranslated(hostOf(pages, start + parcel * 2))) {
        seams.add(start + parcel * 2);
        leads[parcel] = 1;
        break;
      }
      const next = readInstruction(reader, pages, start + parcel * 2);
      if (next === undefined || !isTranslatable(next)) break;
      found[parcel] = next;
      size++;
      if (parcel > last) last = parcel;
      const { transfer } = next;
      parcel += next.length >>> 1;
      if (transfer === undefined) continue;
      const target = targetOf(next);
      if (target !== undefined && target >= start && target < start + parcels * 2) {
        const at = (target - start) >>> 1;
        if (at < lowest) lowest = at;
        leads[at] = 1;
        work.push(at);
      }
      if (parcel < parcels) leads[parcel] = 1;
      if (!RETURNS_HERE.has(transfer)) break;
    }
  }
  if (size === 0) return undefined;
  const isLong = last >= PAGE_PARCELS || (last === PAGE_PARCELS - 1 && found[last]?.length === 4);
  return assemble(isLong ? pages : { first: start, second: undefined }, first, lowest, last, seams);
}

/** Cuts the instructions that were found, from parcel `lowest` to `last`, into blocks; the one at `first` is the entry. */
function assemble(
  pages: Pages,
  first: number,
  lowest: number,
  last: number,
  seams: ReadonlySet<number>,
): Region {
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
    const isEntry = (start - pages.first) >>> 1 === first;
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
  return { pages, blocks, used, usesFloat, seams };
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

import { csrByName } from "../csr/index.ts";
import { decode } from "../isa/decode.ts";
import { FIELDS } from "../isa/fields.ts";
import type { Instruction } from "../isa/instruction.ts";
import { registersRead, registerWritten } from "./registers.ts";

/** A decoded instruction of guest code. */
export interface DecodedInstruction {
  readonly instruction: Instruction;
  /** The 32-bit word, expanded. */
  readonly word: number;
  /** Host address. */
  readonly address: number;
  /** Bytes, 2 or 4. */
  readonly length: number;
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

/** What is translated as one function: blocks of one page in order of address, the entry first. */
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
      const word = view.getUint32(expansionTable + half * 4, true);
      const instruction = decode(word);
      return instruction && { instruction, word, address, length: 2 };
    }
    if ((address & 4095) === 4094) return undefined;
    const word = view.getUint32(address, true);
    const instruction = decode(word);
    return instruction && { instruction, word, address, length: 4 };
  };
}

/**
 * Collects the code that is reachable from `entry` by static control flow at higher addresses of its page. It stops
 * before instructions that only the interpreter executes. Undefined when the very first is one of them.
 */
export function discoverRegion(read: ReadInstruction, entry: number): Region | undefined {
  const page = entry & PAGE_MASK;
  const decoded = new Map<number, DecodedInstruction>();
  const leaders = new Set<number>([entry]);
  const work = [entry];
  while (work.length > 0) {
    let address = work.pop() as number;
    while (!decoded.has(address) && (address & PAGE_MASK) === page && decoded.size < MAX_INSTRUCTIONS) {
      const next = read(address);
      if (next === undefined || !isTranslatable(next)) break;
      decoded.set(address, next);
      const transfer = transferOf(next);
      const target = staticTarget(next);
      if (target !== undefined && target > entry && (target & PAGE_MASK) === page && transfer !== "call") {
        leaders.add(target);
        work.push(target);
      }
      address += next.length;
      if (transfer !== undefined) leaders.add(address);
      if (transfer !== undefined && !RETURNS_HERE.has(transfer)) break;
    }
  }
  if (!decoded.has(entry)) return undefined;
  return assemble(decoded, leaders);
}

/** Cuts the decoded instructions into blocks. */
function assemble(decoded: ReadonlyMap<number, DecodedInstruction>, leaders: ReadonlySet<number>): Region {
  const order = [...decoded.keys()].sort((a, b) => a - b);
  const blocks: Block[] = [];
  let used = 0;
  let usesFloat = false;
  let current: DecodedInstruction[] = [];
  let exposed = 0;
  let written = 0;
  const flush = (): void => {
    const first = current[0];
    const last = current.at(-1);
    if (first === undefined || last === undefined) return;
    const transfer = transferOf(last);
    const isCall = transfer === "call" || transfer === "indirect-call";
    blocks.push({
      start: first.address,
      end: last.address + last.length,
      instructions: current,
      target: isCall ? undefined : staticTarget(last),
      fallsThrough: transfer === undefined || RETURNS_HERE.has(transfer),
      isCall,
      exposed,
      written,
    });
    used |= exposed | written;
    current = [];
    exposed = 0;
    written = 0;
  };
  for (const address of order) {
    const last = current.at(-1);
    if (leaders.has(address) || (last !== undefined && last.address + last.length !== address)) flush();
    const next = decoded.get(address) as DecodedInstruction;
    current.push(next);
    exposed |= registersRead(next) & ~written;
    written |= registerWritten(next);
    const { extension } = next.instruction;
    usesFloat ||= extension === "f" || extension === "d";
    if (transferOf(next) !== undefined) flush();
  }
  flush();
  return { blocks, used, usesFloat };
}

/** What an instruction that transfers control does. */
export type Transfer = "branch" | "jump" | "call" | "indirect" | "indirect-call" | "return";

/** After these, control can reach the next instruction. */
const RETURNS_HERE: ReadonlySet<Transfer> = new Set(["branch", "call", "indirect-call"]);

/** Tells calls and returns by the link registers (unprivileged specification 20240411, section 2.5.1). */
export function transferOf({ instruction, word }: DecodedInstruction): Transfer | undefined {
  const { flow } = instruction;
  if (flow === "branch") return "branch";
  if (flow === "jump") return isLink(FIELDS.rd.decode(word)) ? "call" : "jump";
  if (flow !== "indirect") return undefined;
  if (isLink(FIELDS.rd.decode(word))) return "indirect-call";
  return isLink(FIELDS.rs1.decode(word)) ? "return" : "indirect";
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

/** Where a branch or jump goes, as a host address that may lie outside the page. */
function staticTarget({ instruction, word, address }: DecodedInstruction): number | undefined {
  if (instruction.flow === "branch") return address + FIELDS.immB.decode(word);
  if (instruction.flow === "jump") return address + FIELDS.immJ.decode(word);
  return undefined;
}

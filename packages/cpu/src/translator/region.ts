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
}

/** A run of instructions that is entered at its start only. */
export interface Block {
  readonly start: number;
  /** Host address after the last instruction. */
  readonly end: number;
  readonly instructions: readonly DecodedInstruction[];
  /** Host address of the static target of the branch or jump at the end, if there is one. */
  readonly target: number | undefined;
  /** Whether control can reach `end`. */
  readonly fallsThrough: boolean;
}

/** What is translated as one function: blocks of one page in order of address, the entry first. */
export interface Region {
  readonly blocks: readonly Block[];
  /** Integer registers read or written, and written, as bit sets. */
  readonly used: number;
  readonly written: number;
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
      const target = staticTarget(next);
      if (target !== undefined && target > entry && (target & PAGE_MASK) === page && !isCall(next)) {
        leaders.add(target);
        work.push(target);
      }
      const { flow } = next.instruction;
      address += next.length;
      if (flow === "branch") leaders.add(address);
      if (flow === "jump" || flow === "indirect") break;
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
  let written = 0;
  let usesFloat = false;
  let current: DecodedInstruction[] = [];
  const flush = (): void => {
    const first = current[0];
    const last = current.at(-1);
    if (first === undefined || last === undefined) return;
    const { flow } = last.instruction;
    blocks.push({
      start: first.address,
      end: last.address + last.length,
      instructions: current,
      target: staticTarget(last),
      fallsThrough: flow !== "jump" && flow !== "indirect",
    });
    current = [];
  };
  for (const address of order) {
    const last = current.at(-1);
    if (leaders.has(address) || (last !== undefined && last.address + last.length !== address)) flush();
    const next = decoded.get(address) as DecodedInstruction;
    current.push(next);
    const { extension } = next.instruction;
    usesFloat ||= extension === "f" || extension === "d";
    for (const field of next.instruction.fields) {
      if (FIELDS[field].kind !== "x") continue;
      const bit = 1 << FIELDS[field].decode(next.word);
      used |= bit;
      if (field === "rd") written |= bit;
    }
    if (next.instruction.flow !== "next") flush();
  }
  flush();
  return { blocks, used: used & ~1, written: written & ~1, usesFloat };
}

function isTranslatable({ instruction, word }: DecodedInstruction): boolean {
  if (instruction.flow === "system") return false;
  // Reserved rounding modes are illegal instructions.
  if (!instruction.fields.includes("rm")) return true;
  const mode = FIELDS.rm.decode(word);
  return mode <= 4 || mode === 7;
}

function isCall({ instruction, word }: DecodedInstruction): boolean {
  return instruction.flow === "jump" && FIELDS.rd.decode(word) !== 0;
}

/** Where a branch or jump goes, as a host address that may lie outside the page. */
function staticTarget({ instruction, word, address }: DecodedInstruction): number | undefined {
  if (instruction.flow === "branch") return address + FIELDS.immB.decode(word);
  if (instruction.flow === "jump") return address + FIELDS.immJ.decode(word);
  return undefined;
}

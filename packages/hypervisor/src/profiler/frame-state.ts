import type { SymbolTable } from "../symbols/symbol-table.ts";
import type { AddressSpace } from "./address-space.ts";

/** Instructions of a function's start that are searched for the one that sets the frame pointer. */
const PROLOGUE_INSTRUCTIONS = 64;
/** Instructions before a return that are looked at: those that give back what a function saved, and some among them. */
const EPILOGUE_INSTRUCTIONS = 24;
const RA = 1;
const T0 = 5;
const S0 = 8;

/** One instruction at an address; compressed ones are 16 bits. */
interface Code {
  readonly word: number;
  readonly length: 2 | 4;
}

function codeAt(space: AddressSpace, address: bigint): Code | undefined {
  const low = space.parcel(address);
  if (low === undefined || (low & 3) !== 3) return low === undefined ? undefined : { word: low, length: 2 };
  const high = space.parcel(address + 2n);
  return high === undefined ? undefined : { word: ((high << 16) | low) >>> 0, length: 4 };
}

/**
 * Whether the frame pointer at `pc` is that of the function there. Before its prologue has set it, and after its epilogue has
 * given it back, it is the caller's, and the return address is in its register.
 */
export function hasOwnFrame(
  pc: bigint,
  space: AddressSpace,
  symbolOf: (address: bigint) => ReturnType<SymbolTable["find"]>,
): boolean {
  return !isLeaving(pc, space) && hasSetFrame(pc, space, symbolOf);
}

/** Whether an instruction, compressed or not, puts a return address into ra or t0. */
export function isCall(word: number): boolean {
  // c.jalr: funct4 1001, rs1 not 0, rs2 0, quadrant 2.
  if ((word & 3) !== 3) return (word & 0xf07f) === 0x9002 && (word & 0xf80) !== 0;
  const opcode = word & 0x7f;
  const link = (word >>> 7) & 31;
  return (opcode === 0x6f || opcode === 0x67) && (link === RA || link === T0);
}

/** Looks for `addi s0, sp, n` between the function's start, where that is known, and `pc`. */
function hasSetFrame(
  pc: bigint,
  space: AddressSpace,
  symbolOf: (address: bigint) => ReturnType<SymbolTable["find"]>,
): boolean {
  let at = symbolOf(pc)?.address;
  if (at === undefined) return true;
  for (let count = 0; count < PROLOGUE_INSTRUCTIONS && at < pc; count++) {
    const code = codeAt(space, at);
    if (code === undefined) return true;
    const { word, length } = code;
    // addi s0, sp, n; and c.addi4spn s0, n, which is rd' 0 in quadrant 0 with funct3 0.
    if (length === 4 ? (word & 0xfffff) === 0x10413 : word !== 0 && (word & 0xe01f) === 0) return true;
    // After a call the register holds no longer what the function's own caller put there.
    if (isCall(word)) return true;
    at += BigInt(length);
  }
  return false;
}

/**
 * Whether a return comes straight ahead and neither ra nor s0 is loaded on the way there: then they are the caller's again, or
 * were never saved.
 */
function isLeaving(pc: bigint, space: AddressSpace): boolean {
  let at = pc;
  for (let count = 0; count < EPILOGUE_INSTRUCTIONS; count++) {
    const code = codeAt(space, at);
    if (code === undefined) return false;
    const { word, length } = code;
    if (word === 0x8082 || word === 0x8067) return true;
    const register = (word >>> 7) & 31;
    // ld and c.ldsp.
    const isLoad = length === 2 ? (word & 0xe003) === 0x6002 : (word & 0xff07f) === 0x13003;
    if ((isLoad && (register === RA || register === S0)) || isControlFlow(word)) return false;
    at += BigInt(length);
  }
  return false;
}

/** Branches, jumps, calls, traps; and what is no instruction. */
function isControlFlow(word: number): boolean {
  if ((word & 3) === 3) return [0x63, 0x67, 0x6f, 0x73].includes(word & 0x7f);
  if ((word & 3) === 1) return word >>> 13 >= 5;
  // c.jr, c.jalr, c.ebreak: quadrant 2, funct3 100, rs2 0.
  return word === 0 || (word & 0xe07f) === 0x8002;
}

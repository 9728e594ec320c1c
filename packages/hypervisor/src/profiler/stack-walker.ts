import type { SymbolTable } from "../symbols/symbol-table.ts";
import type { AddressSpace } from "./address-space.ts";

/** Where a hart stands. */
export interface StackStart {
  /** Unsigned 64-bit, as all addresses here. */
  readonly pc: bigint;
  /** Registers x1, x2 and x8. */
  readonly ra: bigint;
  readonly sp: bigint;
  readonly fp: bigint;
  /** In U-mode nothing promises frame pointers, so a return address must come after a call to be believed. */
  readonly isUser: boolean;
}

/** Frames of a stack at most. */
export const MAX_FRAMES = 128;
/** Bytes that one frame has at most. */
const MAX_FRAME_BYTES = 1n << 20n;
/** Instructions of a function's start that are searched for the one that sets the frame pointer. */
const PROLOGUE_INSTRUCTIONS = 64;
/** A kernel goes to other stacks for interrupts: the frame pointer may go anywhere so often. */
const MAX_SWITCHES = 2;
const HIGHER_HALF = 1n << 63n;
const FRAME_ALIGNMENT = 15n;

/**
 * The call stack by frame pointers, innermost first: `pc`, then return addresses. A frame record lies below the address
 * in s0: the return address at -8, the caller's frame pointer at -16 (RISC-V ELF psABI, "Frame Pointer Convention").
 *
 * Nothing on the stack is believed: the chain ends at a frame pointer that is not aligned, does not rise, rises by more
 * than 1 MiB (a kernel may change its stack twice) or is not mapped, at a return address that is not executable code, and after {@link MAX_FRAMES}.
 */
export function walkStack(
  start: StackStart,
  space: AddressSpace,
  symbolOf: (address: bigint) => ReturnType<SymbolTable["find"]>,
): bigint[] {
  const frames = [start.pc];
  const isCode = (address: bigint): boolean =>
    (address & 1n) === 0n && space.isExecutable(address) && (!start.isUser || followsCall(space, address));
  let fp = start.fp;
  let low = start.sp;
  if (!hasFrame(start.pc, space, symbolOf)) {
    // Its caller is in a register still, and the frame pointer is the caller's.
    // After a call of its own that register points into the function itself.
    if (!isCode(start.ra) || symbolOf(start.ra) === symbolOf(start.pc)) return frames;
    frames.push(start.ra);
  } else if (isFrame(fp, low)) {
    // A function that calls none saves no return address: the saved frame pointer is in its place.
    const saved = space.doubleword(fp - 8n);
    if (saved !== undefined && isFrame(saved, fp) && isCode(start.ra) && !isCode(saved)) {
      frames.push(start.ra);
      low = fp;
      fp = saved;
    }
  }
  for (let switches = 0; frames.length < MAX_FRAMES; ) {
    if (!isFrame(fp, low)) {
      if (start.isUser || fp < HIGHER_HALF || (fp & FRAME_ALIGNMENT) !== 0n || ++switches > MAX_SWITCHES)
        break;
    }
    const ra = space.doubleword(fp - 8n);
    const next = space.doubleword(fp - 16n);
    if (ra === undefined || next === undefined || !isCode(ra)) break;
    frames.push(ra);
    low = fp;
    fp = next;
  }
  return frames;
}

/** Whether a frame may end at `fp` that starts at `low` or above. */
function isFrame(fp: bigint, low: bigint): boolean {
  return (fp & FRAME_ALIGNMENT) === 0n && fp - 16n >= low && fp - low <= MAX_FRAME_BYTES;
}

/** Whether the instruction before an address is a call: `jal` or `jalr` to ra or t0, or `c.jalr`. */
function followsCall(space: AddressSpace, address: bigint): boolean {
  const compressed = space.parcel(address - 2n);
  if (compressed === undefined) return false;
  // c.jalr: funct4 1001, rs1 not 0, rs2 0, quadrant 2.
  if ((compressed & 0xf07f) === 0x9002 && (compressed & 0xf80) !== 0) return true;
  const first = space.parcel(address - 4n);
  if (first === undefined) return false;
  const opcode = first & 0x7f;
  const link = (first >> 7) & 31;
  return (opcode === 0x6f || opcode === 0x67) && (link === 1 || link === 5);
}

/**
 * Whether the function at `pc` has set the frame pointer already: looks for `addi s0, sp, n` between its start and `pc`.
 * True where its start is not known.
 */
function hasFrame(
  pc: bigint,
  space: AddressSpace,
  symbolOf: (address: bigint) => ReturnType<SymbolTable["find"]>,
): boolean {
  const symbol = symbolOf(pc);
  if (symbol === undefined) return true;
  let at = symbol.address;
  for (let count = 0; count < PROLOGUE_INSTRUCTIONS && at < pc; count++) {
    const parcel = space.parcel(at);
    if (parcel === undefined) return true;
    if ((parcel & 3) !== 3) {
      // c.addi4spn s0, n: quadrant 0, funct3 000, rd' 0.
      if ((parcel & 0xe01f) === 0 && parcel !== 0) return true;
      at += 2n;
      continue;
    }
    // addi s0, sp, n: opcode 0x13, rd 8, funct3 0, rs1 2.
    const upper = space.parcel(at + 2n);
    if (upper === undefined) return true;
    if ((((upper << 16) | parcel) & 0xfffff) === 0x10413) return true;
    at += 4n;
  }
  return false;
}

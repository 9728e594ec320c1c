import type { SymbolTable } from "../symbols/symbol-table.ts";
import type { AddressSpace } from "./address-space.ts";
import { hasOwnFrame, isCall } from "./frame-state.ts";

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
  if (!hasOwnFrame(start.pc, space, symbolOf)) {
    // Its caller is in a register still, and the frame pointer is the caller's.
    if (!isCode(start.ra)) return frames;
    frames.push(start.ra);
  } else if (isFrame(fp, low)) {
    // A function that calls none saves no return address: the saved frame pointer is in its place.
    const saved = space.doubleword(fp - 8n);
    const isNamed = symbolOf(start.pc) !== undefined;
    const mayReturnTo = (address: bigint): boolean =>
      isCode(address) && (!isNamed || symbolOf(address) !== undefined);
    if (saved !== undefined && isFrame(saved, fp) && isCode(start.ra) && !mayReturnTo(saved)) {
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
  if ((compressed & 3) !== 3 && isCall(compressed)) return true;
  // What says which instruction it is lies in its lower half.
  const first = space.parcel(address - 4n);
  return first !== undefined && (first & 3) === 3 && isCall(first);
}

import type { Hart } from "@isomorph/cpu";
import type { GuestMemory } from "@isomorph/interface";
import type { SliceSampler } from "../dispatcher/dispatcher.ts";
import type { ProgramSymbol, SymbolTable } from "../symbols/symbol-table.ts";
import { AddressSpace } from "./address-space.ts";
import { CallTree, type Frame } from "./call-tree.ts";
import { Profile } from "./profile.ts";
import { walkStack } from "./stack-walker.ts";
import { Timeline } from "./timeline.ts";

/** How {@link Vm.profile} samples. */
export interface ProfileOptions {
  /** Milliseconds of a hart's running time between two samples, 0.1 to 1000. Default 1. */
  readonly interval?: number | undefined;
  /**
   * Names of code by guest virtual address, such as `readSymbols` of `@isomorph/hypervisor/symbols` gives. The first
   * table that has one counts; after these come the names that kernel and firmware bring along: an ELF file's, or a
   * Linux Image's own.
   */
  readonly symbols?: readonly SymbolTable[] | undefined;
}

/** A profiler at work. */
export interface Profiler {
  /** What was sampled so far; the profiler goes on. */
  profile(): Profile;
  /** Ends the sampling. Idempotent. */
  stop(): Profile;
}

/** What a profiler looks at. */
export interface ProfilerEnvironment {
  readonly harts: readonly Hart[];
  readonly memory: GuestMemory;
  readonly now: () => number;
}

const SATP = 0x180;
const USER = 0;
const SUPERVISOR = 1;
const MAX_SPACES = 256;
/** Names that are remembered by address: programs run the same code again and again. */
const MAX_REMEMBERED = 1 << 16;
const HIGHER_HALF = 1n << 63n;

/** Takes the call stacks of harts that stand still. Nothing of the guest changes by it. */
export class StackSampler implements SliceSampler {
  readonly interval: number;
  readonly #env: ProfilerEnvironment;
  readonly #symbols: readonly SymbolTable[];
  readonly #space: AddressSpace;
  readonly #tree = new CallTree();
  readonly #timeline = new Timeline();
  readonly #began: number;
  readonly #found = new Map<bigint, ProgramSymbol | undefined>();
  /** Numbers of address spaces, by the root of their page tables. */
  readonly #spaces = new Map<bigint, number>();
  #ended: number | undefined;

  constructor(env: ProfilerEnvironment, interval: number, symbols: readonly SymbolTable[]) {
    this.#env = env;
    this.interval = interval;
    this.#symbols = symbols;
    this.#space = new AddressSpace(env.memory);
    this.#began = env.now();
  }

  sample(index: number, elapsed: number): void {
    const hart = this.#env.harts[index] as Hart;
    const { mode } = hart;
    const satp = mode === USER || mode === SUPERVISOR ? hart.readCsr(SATP) : 0n;
    this.#space.select(satp);
    const addresses = walkStack(
      {
        pc: hart.pc,
        ra: hart.readRegister(1),
        sp: hart.readRegister(2),
        fp: hart.readRegister(8),
        isUser: mode === USER,
      },
      this.#space,
      (address) => this.#symbolOf(address),
    );
    const stack = this.#roots(index, mode, satp);
    const part = mode === USER ? "user" : mode === SUPERVISOR ? "kernel" : "firmware";
    let last: Frame | undefined;
    for (let i = addresses.length - 1; i >= 0; i--) {
      // A return address may be the first of the next function: the call is what counts.
      const address = (addresses[i] as bigint) - (i === 0 ? 0n : 1n);
      const name = this.#symbolOf(address)?.name ?? nameless(address, part);
      const frame = this.#tree.frame(name, part);
      // Of code without a name one frame says as much as ten.
      if (frame !== last || !name.startsWith("[")) stack.push(frame);
      last = frame;
    }
    const node = this.#tree.add(stack, elapsed);
    this.#timeline.add(this.#env.now() - this.#began, elapsed, node.id);
  }

  profile(): Profile {
    return new Profile(this.#tree, this.#timeline, (this.#ended ?? this.#env.now()) - this.#began);
  }

  end(): void {
    this.#ended ??= this.#env.now();
  }

  /** The frames that tell harts, modes and address spaces apart. */
  #roots(index: number, mode: number, satp: bigint): Frame[] {
    const roots = this.#env.harts.length > 1 ? [this.#tree.frame(`hart ${index}`, "root")] : [];
    if (mode === USER) {
      const table = satp & ((1n << 44n) - 1n);
      let number = this.#spaces.get(table);
      if (number === undefined && this.#spaces.size < MAX_SPACES) {
        number = this.#spaces.size + 1;
        this.#spaces.set(table, number);
      }
      roots.push(this.#tree.frame(number === undefined ? "user" : `user ${number}`, "root"));
    } else {
      roots.push(this.#tree.frame(mode === SUPERVISOR ? "kernel" : "firmware", "root"));
    }
    return roots;
  }

  #symbolOf(address: bigint): ProgramSymbol | undefined {
    if (this.#found.has(address)) return this.#found.get(address);
    if (this.#found.size >= MAX_REMEMBERED) this.#found.clear();
    let symbol: ProgramSymbol | undefined;
    for (const table of this.#symbols) symbol ??= table.find(address);
    this.#found.set(address, symbol);
    return symbol;
  }
}

function nameless(address: bigint, part: Frame["part"]): string {
  if (part === "kernel" && address < HIGHER_HALF) return "[physical]";
  return `[${part}]`;
}

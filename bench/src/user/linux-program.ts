import { riscv64User, type UserHart, type UserProcessor } from "@isomorph/cpu";
import { AddressSpace } from "./address-space.ts";
import { type Executable, PHDR_SIZE, readExecutable } from "./executable.ts";
import { type CallEnvironment, linuxCall } from "./linux-calls.ts";

export interface ProgramOptions {
  /** A static executable for riscv64. */
  readonly file: Uint8Array;
  /** Its arguments, the name first. */
  readonly args: readonly string[];
  /** Takes what the program writes to standard output (1) and standard error (2). The bytes are valid during the call. */
  readonly write: (descriptor: number, bytes: Uint8Array) => void;
  /** Bytes of the address space, a multiple of 4096. */
  readonly memorySize: number;
  /** As of the processor. */
  readonly translationThreshold?: number | undefined;
}

const MEMORY_BASE = 0x10000;
const STACK_SIZE = 8 << 20;
/** Instructions at a time: optimised code takes the place of plain code only where that is entered anew. */
const BUDGET = 4_000_000;
const ECALL = 8;
/** Ticks per second of `time`. */
const FREQUENCY = 10_000_000;

/** Registers of the calling convention. */
const SP = 2;
const A0 = 10;
const A7 = 17;

/** Keys of the auxiliary vector (`linux/auxvec.h`). */
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_ENTRY = 9;
const AT_HWCAP = 16;
const AT_CLKTCK = 17;
const AT_SECURE = 23;
const AT_RANDOM = 25;
/** IMAFDC, by the letters' places in the alphabet. */
const HWCAP = 0x112d;

/** A program under as much of Linux as computing and printing takes: one thread, no files, no signals. */
export class LinuxProgram {
  readonly #processor: UserProcessor;
  readonly #hart: UserHart;
  readonly #environment: CallEnvironment;
  #status: number | undefined;

  /** @throws Error with code `ERR_EXECUTABLE` when the file is no program for this, or does not fit. */
  constructor({ file, args, write, memorySize, translationThreshold }: ProgramOptions) {
    const executable = readExecutable(file);
    const top = MEMORY_BASE + memorySize;
    if (executable.end > top - STACK_SIZE || executable.segments.some((s) => s.address < MEMORY_BASE)) {
      throw Object.assign(new Error("the program does not fit in its address space"), {
        code: "ERR_EXECUTABLE",
      });
    }
    this.#processor = riscv64User({
      memoryBase: MEMORY_BASE,
      memorySize,
      clock: { frequency: FREQUENCY, now: () => Math.floor(performance.now() * (FREQUENCY / 1000)) },
      ...(translationThreshold === undefined ? {} : { translationThreshold }),
    });
    const { memory, harts } = this.#processor;
    this.#hart = harts[0] as UserHart;
    for (const { address, bytes } of executable.segments) memory.view(address, bytes.length).set(bytes);
    this.#hart.pc = BigInt(executable.entry);
    this.#hart.writeRegister(SP, BigInt(this.#pushArguments(executable, args, top)));
    this.#environment = {
      memory,
      write,
      space: new AddressSpace({ memory, heap: executable.end, limit: top - STACK_SIZE }),
      fenceInstruction: () => this.#hart.fenceInstruction(),
      exit: (status) => {
        this.#status = status;
      },
    };
  }

  /**
   * Runs the program to its end. @returns its exit status.
   *
   * @throws Error with code `ERR_PROGRAM_FAULT` when it traps with anything but a system call.
   */
  run(): number {
    const hart = this.#hart;
    while (this.#status === undefined) {
      if (hart.run(BUDGET) !== "trap") continue;
      if (hart.trapCause !== ECALL) throw this.#fault();
      const args = [0, 1, 2, 3, 4, 5].map((index) => hart.registerAsNumber(A0 + index));
      const result = linuxCall(this.#environment, hart.registerAsNumber(A7), args);
      hart.writeRegister(A0, BigInt.asUintN(64, BigInt(result)));
      hart.pc += 4n;
    }
    return this.#status;
  }

  /** Counters of the processor. */
  counters(): Readonly<Record<string, number>> {
    return this.#processor.counters();
  }

  close(): void {
    this.#processor.close();
  }

  /** What the stack holds at the start (the ABI's "process initialization"). @returns the stack pointer. */
  #pushArguments({ entry, headers }: Executable, args: readonly string[], top: number): number {
    const { memory } = this.#processor;
    let at = top;
    const push = (bytes: Uint8Array): number => {
      at -= bytes.length;
      memory.view(at, bytes.length).set(bytes);
      return at;
    };
    const strings = args.map((text) => push(new TextEncoder().encode(`${text}\0`)));
    const random = push(crypto.getRandomValues(new Uint8Array(16)));
    const auxiliary = [
      [AT_PHDR, headers.address],
      [AT_PHENT, PHDR_SIZE],
      [AT_PHNUM, headers.count],
      [AT_PAGESZ, 4096],
      [AT_ENTRY, entry],
      [AT_HWCAP, HWCAP],
      [AT_CLKTCK, 100],
      [AT_SECURE, 0],
      [AT_RANDOM, random],
      [0, 0],
    ];
    // The count, the arguments and a zero, no environment and a zero, the auxiliary vector.
    const words = [args.length, ...strings, 0, 0, ...auxiliary.flat()];
    at -= words.length * 8;
    at -= at % 16;
    memory.view(at, words.length * 8).set(new Uint8Array(BigUint64Array.from(words, BigInt).buffer));
    return at;
  }

  #fault(): Error {
    const { pc, trapCause, trapValue } = this.#hart;
    const where = `at 0x${pc.toString(16)}`;
    const error = new Error(
      `the program trapped: cause ${trapCause}, value 0x${trapValue.toString(16)}, ${where}`,
    );
    return Object.assign(error, { code: "ERR_PROGRAM_FAULT" });
  }
}

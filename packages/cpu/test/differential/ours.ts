import { type Hart, type Processor, riscv64 } from "../../src/index.ts";
import {
  CODE,
  CODE_END,
  CONTEXT,
  Context,
  FINISHER,
  MACHINE_TIMER_COMPARE,
  RAM_BASE,
  RAM_SIZE,
  RECORD_BYTES,
  RECORDS,
} from "./layout.ts";
import type { Machine, Outcome } from "./outcome.ts";

const BUDGET = 1 << 20;
const PAGE = 4096;
/** Instructions that a sequence and the harness around it may take; they take some 1400. */
const LIMIT = 20_000;

/** Our processor, one for all images that it runs. */
class Ours implements Machine {
  readonly name: string;
  readonly #passes: number;
  readonly #processor: Processor;
  readonly #hart: Hart;
  #finished = false;

  constructor(name: string, translationThreshold: number, passes: number) {
    this.name = name;
    this.#passes = passes;
    this.#processor = riscv64({ translationThreshold })({
      memoryBase: RAM_BASE,
      memorySize: RAM_SIZE,
      harts: 1,
      firmware: "guest",
      // Sequences compare with times that are over, or that never come.
      clock: { frequency: 10_000_000, now: () => 1 << 20 },
      log: () => {},
      bus: {
        covers: (gpa, size) =>
          (gpa === FINISHER && size === 4) || (gpa === MACHINE_TIMER_COMPARE && size === 8),
        read: () => 0,
        write: () => {
          this.#finished = true;
          this.#hart.requestExit();
        },
        read64: () => 0n,
        write64: () => {},
      },
    });
    this.#hart = this.#processor.harts[0] as Hart;
  }

  async run(image: Uint8Array): Promise<Outcome> {
    let instructions = 0;
    for (let pass = 0; pass < this.#passes; pass++) instructions = this.#pass(image, pass);
    return {
      ram: this.#processor.memory.bytes.slice(0, image.length),
      instructions,
      inRegions: this.#processor.counters().instructionsInRegions ?? 0,
    };
  }

  #pass(image: Uint8Array, pass: number): number {
    const hart = this.#hart;
    this.#restore(image, pass);
    hart.reset({ pc: RAM_BASE, a0: 0, a1: 0 });
    const before = hart.instructionsRetired;
    this.#finished = false;
    const limit = LIMIT * (1 + (image.length + RAM_BASE - RECORDS) / RECORD_BYTES);
    while (!this.#finished) {
      const exit = hart.run(BUDGET);
      const over = hart.instructionsRetired - before > limit;
      if (over || exit === "wait" || exit === "trap-loop") {
        throw new Error(`sequence ${this.#record()} does not end: ${exit} at ${hart.pc.toString(16)}`);
      }
    }
    return hart.instructionsRetired - before;
  }

  /** The number of the sequence that is running. */
  #record(): number {
    const { data } = this.#processor.memory;
    const record = Number(data.getBigUint64(CONTEXT - RAM_BASE + Context.RECORD, true));
    return (record - RECORDS) / RECORD_BYTES;
  }

  /**
   * Makes RAM the image again. In a second pass the code stays as it is: what a sequence wrote into its own code it
   * writes again before it gets there, and code that is restored would no longer be translated.
   */
  #restore(image: Uint8Array, pass: number): void {
    const { memory } = this.#processor;
    for (let start = 0; start < image.length; start += PAGE) {
      if (pass > 0 && start >= CODE - RAM_BASE && start < CODE_END - RAM_BASE) continue;
      const wanted = image.subarray(start, start + PAGE);
      const now = memory.bytes.subarray(start, start + wanted.length);
      if (Buffer.compare(now, wanted) === 0) continue;
      now.set(wanted);
      memory.markDirty(RAM_BASE + start, wanted.length);
    }
  }
}

export const interpreter: Machine = new Ours("interpreter", 0, 1);

/** Translates what is reached once; the first pass finds it, the second one runs it. */
export const translator: Machine = new Ours("translator", 1, 2);

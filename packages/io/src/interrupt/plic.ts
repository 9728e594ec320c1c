import type { IrqLine, MmioSize, PlatformDevice, SnapshotState } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { checkVersion, integersField } from "../snapshot.ts";

const PENDING = 0x1000;
const ENABLE = 0x2000;
const CONTEXT = 0x200000;
const CONTEXT_STRIDE = 0x1000;
const MAX_PRIORITY = 7;
const WORDS = 32;

/** What a {@link Plic} is made of. */
export interface PlicOptions {
  /** Interrupt sources, numbered from 1: at most 1023. */
  readonly sources: number;
  /** The output of each context, in the order of `interrupts-extended`: at most 15872. */
  readonly contexts: readonly IrqLine[];
}

/**
 * RISC-V Platform-Level Interrupt Controller 1.0.0, with level-triggered sources and priorities 0 to 7.
 *
 * A gateway forwards the request of a high wire once, and again when the handler has completed while the wire is
 * still high; a request that was forwarded stays pending though the wire falls. The machine adds
 * `interrupts-extended` to the node.
 */
export class Plic implements PlatformDevice {
  readonly bus = "platform";
  readonly size: number;
  readonly nodeName: string = "interrupt-controller";
  readonly devicetree: PlatformDevice["devicetree"];
  readonly interrupts: boolean = false;
  readonly #sources: number;
  readonly #words: number;
  readonly #contexts: readonly IrqLine[];
  readonly #lines: readonly IrqLine[];
  readonly #priority: Uint8Array;
  readonly #wires: Uint32Array = new Uint32Array(WORDS);
  readonly #pending: Uint32Array = new Uint32Array(WORDS);
  readonly #claimed: Uint32Array = new Uint32Array(WORDS);
  readonly #enable: Uint32Array;
  readonly #threshold: Uint8Array;
  readonly #output: Uint8Array;
  #claims = 0;
  #emptyClaims = 0;

  constructor(options: PlicOptions) {
    const { sources } = options;
    const contexts = options.contexts.length;
    if (!Number.isInteger(sources) || sources < 1 || sources > 1023) {
      throw new RangeError(`plic: ${sources} sources is not from 1 to 1023`);
    }
    if (contexts < 1 || contexts > 15872)
      throw new RangeError(`plic: ${contexts} contexts is not from 1 to 15872`);
    this.#sources = sources;
    this.#words = (sources >>> 5) + 1;
    this.#contexts = [...options.contexts];
    this.#priority = new Uint8Array(sources + 1);
    this.#enable = new Uint32Array(contexts * WORDS);
    this.#threshold = new Uint8Array(contexts);
    this.#output = new Uint8Array(contexts);
    this.size = CONTEXT + contexts * CONTEXT_STRIDE;
    this.devicetree = {
      compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
      "riscv,ndev": sources,
      "#interrupt-cells": 1,
      "#address-cells": 0,
      "interrupt-controller": true,
    };
    this.#lines = Array.from({ length: sources + 1 }, (_, source) => ({
      set: (level: boolean) => this.#drive(source, level),
    }));
  }

  /** The wire of interrupt source `id`, from 1 to the count of sources. */
  source(id: number): IrqLine {
    const line = id === 0 ? undefined : this.#lines[id];
    if (line === undefined) throw new RangeError(`plic: source ${id} is not from 1 to ${this.#sources}`);
    return line;
  }

  mmioRead(offset: number, size: MmioSize): number {
    if (size !== 4) return 0;
    if (offset < PENDING) return this.#priority[offset >>> 2] ?? 0;
    if (offset < ENABLE) {
      const word = (offset - PENDING) >>> 2;
      return word < WORDS ? (this.#pending[word] as number) : 0;
    }
    if (offset < CONTEXT) return this.#enable[(offset - ENABLE) >>> 2] ?? 0;
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    if (context >= this.#contexts.length) return 0;
    const register = offset & (CONTEXT_STRIDE - 1);
    if (register === 0) return this.#threshold[context] as number;
    return register === 4 ? this.#claim(context) : 0;
  }

  mmioWrite(offset: number, size: MmioSize, value: number): void {
    if (size !== 4) return;
    if (offset < PENDING) {
      const source = offset >>> 2;
      if (source === 0 || source > this.#sources) return;
      this.#priority[source] = value & MAX_PRIORITY;
      this.#updateAll();
    } else if (offset < ENABLE) {
      // The pending bits are read-only.
    } else if (offset < CONTEXT) {
      const index = (offset - ENABLE) >>> 2;
      const context = index >>> 5;
      if (context >= this.#contexts.length) return;
      this.#enable[index] = value & this.#implemented(index & (WORDS - 1));
      this.#update(context);
    } else {
      const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
      if (context >= this.#contexts.length) return;
      const register = offset & (CONTEXT_STRIDE - 1);
      if (register === 0) {
        this.#threshold[context] = value & MAX_PRIORITY;
        this.#update(context);
      } else if (register === 4) this.#complete(context, value);
    }
  }

  /** Power-on state; the wires keep the levels that devices drive. */
  reset(): void {
    this.#priority.fill(0);
    this.#claimed.fill(0);
    this.#enable.fill(0);
    this.#threshold.fill(0);
    this.#pending.set(this.#wires);
    this.#updateAll();
  }

  save(): SnapshotState {
    const contexts = this.#contexts.map((_, context) => ({
      threshold: this.#threshold[context] as number,
      enable: [...this.#enable.subarray(context * WORDS, context * WORDS + this.#words)],
    }));
    return {
      version: 1,
      priority: [...this.#priority],
      wires: [...this.#wires.subarray(0, this.#words)],
      pending: [...this.#pending.subarray(0, this.#words)],
      claimed: [...this.#claimed.subarray(0, this.#words)],
      threshold: contexts.map((context) => context.threshold),
      enable: contexts.flatMap((context) => context.enable),
    };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "plic");
    const words = this.#words;
    const priority = integersField(state, "priority", this.#sources + 1, MAX_PRIORITY);
    const wires = integersField(state, "wires", words);
    const pending = integersField(state, "pending", words);
    const claimed = integersField(state, "claimed", words);
    const threshold = integersField(state, "threshold", this.#contexts.length, MAX_PRIORITY);
    const enable = integersField(state, "enable", this.#contexts.length * words);
    this.#priority.fill(0);
    this.#priority.set(priority);
    for (let word = 0; word < words; word++) {
      const mask = this.#implemented(word);
      this.#wires[word] = (wires[word] ?? 0) & mask;
      this.#pending[word] = (pending[word] ?? 0) & mask;
      this.#claimed[word] = (claimed[word] ?? 0) & mask;
    }
    this.#threshold.fill(0);
    this.#threshold.set(threshold);
    this.#enable.fill(0);
    for (let index = 0; index < enable.length; index++) {
      const word = index % words;
      this.#enable[Math.floor(index / words) * WORDS + word] =
        (enable[index] as number) & this.#implemented(word);
    }
    this.#updateAll();
  }

  /** `claims`: interrupts handed out; `emptyClaims`: claims when none was pending. */
  counters(): Counters {
    return { claims: this.#claims, emptyClaims: this.#emptyClaims };
  }

  #implemented(word: number): number {
    if (word > this.#sources >>> 5) return 0;
    const top = this.#sources & 31;
    const mask = word === this.#sources >>> 5 && top !== 31 ? 2 ** (top + 1) - 1 : 0xffffffff;
    return word === 0 ? mask & ~1 : mask;
  }

  #drive(source: number, level: boolean): void {
    const word = source >>> 5;
    const bit = 1 << (source & 31);
    const wires = this.#wires[word] as number;
    if (((wires & bit) !== 0) === level) return;
    this.#wires[word] = wires ^ bit;
    if (level && ((this.#claimed[word] as number) & bit) === 0) this.#request(word, bit);
  }

  #request(word: number, bit: number): void {
    this.#pending[word] = (this.#pending[word] as number) | bit;
    for (let context = 0; context < this.#output.length; context++) {
      if (this.#output[context] === 0 && ((this.#enable[context * WORDS + word] as number) & bit) !== 0) {
        this.#update(context);
      }
    }
  }

  /** The pending and enabled source of highest priority, the lowest id among equals; 0 when there is none. */
  #best(context: number): number {
    let best = 0;
    let highest = 0;
    for (let word = 0; word < this.#words; word++) {
      let bits = (this.#pending[word] as number) & (this.#enable[context * WORDS + word] as number);
      while (bits !== 0) {
        const source = word * 32 + 31 - Math.clz32(bits & -bits);
        const priority = this.#priority[source] as number;
        if (priority > highest) {
          highest = priority;
          best = source;
        }
        bits &= bits - 1;
      }
    }
    return best;
  }

  #claim(context: number): number {
    const source = this.#best(context);
    if (source === 0) {
      this.#emptyClaims++;
      return 0;
    }
    this.#claims++;
    const word = source >>> 5;
    const bit = 1 << (source & 31);
    this.#pending[word] = (this.#pending[word] as number) & ~bit;
    this.#claimed[word] = (this.#claimed[word] as number) | bit;
    this.#updateAll();
    return source;
  }

  #complete(context: number, source: number): void {
    if (source === 0 || source > this.#sources) return;
    const word = source >>> 5;
    const bit = 1 << (source & 31);
    // Section 9: a completion for a source that is not enabled for the context is ignored.
    if (((this.#enable[context * WORDS + word] as number) & bit) === 0) return;
    if (((this.#claimed[word] as number) & bit) === 0) return;
    this.#claimed[word] = (this.#claimed[word] as number) & ~bit;
    if (((this.#wires[word] as number) & bit) !== 0) this.#request(word, bit);
  }

  #updateAll(): void {
    for (let context = 0; context < this.#output.length; context++) this.#update(context);
  }

  #update(context: number): void {
    const best = this.#best(context);
    const level = (this.#priority[best] as number) > (this.#threshold[context] as number) ? 1 : 0;
    if (this.#output[context] === level) return;
    this.#output[context] = level;
    (this.#contexts[context] as IrqLine).set(level === 1);
  }
}

/** Makes a {@link Plic}. */
export function plic(options: PlicOptions): Plic {
  return new Plic(options);
}

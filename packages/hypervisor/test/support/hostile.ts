import { type ProcessorFactory, riscv64 } from "@isomorph/cpu";
import { seededRandom } from "@isomorph/interface/compliance";
import { expect } from "vitest";
import { createVm, type Vm, type VmConfig, type VmOutcome } from "../../src/index.ts";

/** How much longer than usual the hostile guests are tried: `HOSTILE_ROUNDS=50 vitest run packages/hypervisor/test/hostile`. */
export const ROUNDS: number = Math.max(1, Number(process.env.HOSTILE_ROUNDS ?? 1));

/** The two ways of execution: instruction by instruction, and translated as soon as a jump reaches code. */
export const tiers: readonly {
  readonly tier: "interpreted" | "translated";
  readonly cpu: ProcessorFactory;
}[] = [
  { tier: "interpreted", cpu: riscv64({ translationThreshold: 0 }) },
  { tier: "translated", cpu: riscv64({ translationThreshold: 1 }) },
];

/** What became of a hostile guest. */
export interface Result {
  readonly outcome: VmOutcome;
  readonly counters: Readonly<Record<string, number>>;
  /** Lines that the machine logged. */
  readonly logged: number;
}

/** More than this a guest cannot make the host write to its log, whatever it does. */
const MAX_LOGGED = 200;

/**
 * Runs a guest for at most so many instructions or milliseconds. Whatever it does, the run resolves, the machine can be
 * run again and closes.
 */
export async function survive(
  config: VmConfig,
  options: { readonly maxInstructions?: number; readonly milliseconds?: number } = {},
  inspect: (vm: Vm) => void | Promise<void> = () => {},
): Promise<Result> {
  const { maxInstructions = 1_000_000, milliseconds = 10_000 } = options;
  let logged = 0;
  const vm = await createVm({
    memory: 8 << 20,
    clock: "instructions",
    rngSeed: new Uint8Array(32),
    ...config,
    log: () => {
      logged++;
    },
  });
  try {
    const outcome = await vm.run({ maxInstructions, signal: AbortSignal.timeout(milliseconds) });
    await inspect(vm);
    const counters = vm.counters();
    for (const [name, value] of Object.entries(counters)) {
      if (!(value >= 0) || !Number.isFinite(value)) throw new RangeError(`counter ${name} is ${value}`);
    }
    expect(logged).toBeLessThan(MAX_LOGGED);
    // It can always go on, or start afresh.
    await vm.run({ maxInstructions: 1000, signal: AbortSignal.timeout(milliseconds) });
    return { outcome, counters, logged };
  } finally {
    await vm.close();
  }
}

/** Random choices that depend on a seed alone. */
export interface Chooser {
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  readonly below: (limit: number) => number;
  readonly pick: <T>(items: readonly T[]) => T;
  readonly word: () => number;
  readonly doubleword: (addresses?: readonly number[]) => bigint;
}

export function chooser(seed: number): Chooser {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const word = (): number => below(2 ** 32);
  /** 64 bits of every kind: small, powers of two and neighbours, addresses, ones, garbage. */
  const doubleword = (addresses: readonly number[] = [0x80000000]): bigint => {
    switch (below(7)) {
      case 0:
        return BigInt(below(64));
      case 1:
        return BigInt.asUintN(64, (1n << BigInt(below(64))) - BigInt(below(2)));
      case 2:
        return BigInt.asUintN(64, -1n - BigInt(below(5000)));
      case 3:
      case 4:
        return BigInt(pick(addresses) + below(1 << 16));
      case 5:
        return BigInt(pick(addresses)) | (BigInt(word()) << 32n);
      default:
        return (BigInt(word()) << 32n) | BigInt(word());
    }
  };
  return { random, below, pick, word, doubleword };
}

import type { DeviceSlot, GuestMemory, IrqLine } from "@isomorph/interface";
import { testMemory } from "../src/testing/index.ts";

/** Interrupt wires that remember their levels. */
export function wires(count: number): { lines: IrqLine[]; levels: boolean[] } {
  const levels = new Array<boolean>(count).fill(false);
  const lines = levels.map((_, index) => ({
    set(level: boolean) {
      levels[index] = level;
    },
  }));
  return { lines, levels };
}

/** A slot for one device, with its wire's level and what it logged. */
export function testSlot(memory: GuestMemory = testMemory(0x10000)): DeviceSlot & {
  readonly level: boolean;
  readonly lines: string[];
  close(): Promise<void>;
} {
  let level = false;
  const lines: string[] = [];
  const cleanups: (() => unknown)[] = [];
  return {
    name: "device",
    memory,
    irq: {
      set(value) {
        level = value;
      },
    },
    log: (kind, message) => void lines.push(`${kind}: ${message}`),
    defer: (cleanup) => void cleanups.push(cleanup),
    get level() {
      return level;
    },
    lines,
    async close() {
      for (const cleanup of cleanups.reverse()) await cleanup();
    },
  };
}

import { seededRandom } from "@isomorph/interface/compliance";
import type { Driver } from "../src/testing/index.ts";
import { type FuzzMachine, fuzzMachine } from "./machine.ts";

const SIZES = [1, 2, 4, 8] as const;

/** What one run of the fuzzer did. */
export interface FuzzResult {
  readonly steps: number;
  /** Milliseconds that the slowest step took. */
  readonly slowest: number;
  readonly counters: { readonly [name: string]: number };
}

/**
 * Plays a guest that writes garbage to every register, descriptor and ring, for `steps` steps that depend on `seed`
 * alone. Throws what a device throws.
 */
export async function fuzz(seed: number, steps: number): Promise<FuzzResult> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const machine = fuzzMachine();
  const drivers: (Driver | undefined)[] = [];
  let slowest = 0;
  for (let step = 0; step < steps; step++) {
    const begin = performance.now();
    const kind = below(100);
    if (kind < 45) registers(machine, below, pick);
    else if (kind < 55) {
      const index = below(machine.virtioDevices);
      drivers[index] = machine.start(index);
    } else if (kind < 85) rings(machine, pick(drivers), below, pick);
    else if (kind < 90) machine.frame(new Uint8Array(below(3000)).fill(below(256)));
    else if (kind < 93)
      pick([machine.uart, ...machine.consoles, ...machine.ports]).write(new Uint8Array(below(5000)));
    else if (kind < 96) machine.tick(below(100_000));
    else if (kind < 97) machine.uart.sendBreak();
    else if (kind < 98) machine.save();
    else if (kind < 99) pick(machine.consoles).resize(1 + below(200), 1 + below(100));
    else if (below(10) === 0) machine.reset();
    slowest = Math.max(slowest, performance.now() - begin);
    if (step % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
  return { steps, slowest, counters: machine.counters() };
}

type Below = (limit: number) => number;
type Pick = <T>(items: readonly T[]) => T;

function value(below: Below): number {
  switch (below(6)) {
    case 0:
      return below(16);
    case 1:
      return 2 ** below(32);
    case 2:
      return 0xffffffff - below(4);
    case 3:
      return 0x8000_0000 + below(1 << 18);
    default:
      return below(2 ** 32);
  }
}

/** One to eight accesses near one place, since registers that belong together are neighbours. */
function registers({ bus, regions }: FuzzMachine, below: Below, pick: Pick): void {
  const region = pick(regions);
  const near = below(8) === 0 ? below(region.size) : pick(region.hot);
  for (let count = 1 + below(8); count > 0; count--) {
    const size = pick(SIZES);
    const offset = Math.floor((near + below(64)) / size) * size;
    const gpa = region.base + offset;
    if (!bus.covers(gpa, size)) continue;
    const data = value(below);
    if (size === 8) {
      if (below(2) === 0) bus.read64(gpa);
      else bus.write64(gpa, (BigInt(value(below)) << 32n) | BigInt(data));
    } else if (below(2) === 0) {
      const result = bus.read(gpa, size);
      if (!(result >= 0 && result < 2 ** (8 * size))) throw new RangeError(`read of ${result} at ${gpa}`);
    } else bus.write(gpa, size, data);
  }
}

/** Chains of random descriptors, mostly plausible, on a queue whose device is running; then a notification. */
function rings({ memory }: FuzzMachine, driver: Driver | undefined, below: Below, pick: Pick): void {
  const queue = pick(driver?.queues ?? []);
  if (driver === undefined || queue === undefined) return;
  const scratch = memory.base + 0x30000;
  const wild = below(12) === 0;
  for (let chains = 1 + below(4); chains > 0; chains--) {
    const length = 1 + below(5);
    const head = below(queue.size);
    const readable = below(length + 1);
    const indirect = below(4) === 0;
    const table = indirect ? scratch + below(0x100) * 16 : queue.descriptors;
    for (let at = 0; at < length; at++) {
      const index = indirect ? at : (head + at) % queue.size;
      const bytes = pick([1, 12, 16, 17, 512, 513, 4096, below(70_000), wild ? value(below) : 1]);
      const gpa = wild ? value(below) * pick([1, 1, 2 ** 32]) : scratch + below(0x8000);
      const flags = wild ? below(16) : (at + 1 < length ? 1 : 0) | (at >= readable ? 2 : 0);
      const next = wild ? value(below) & 0xffff : indirect ? at + 1 : (index + 1) % queue.size;
      queue.describe(table, index, gpa, bytes, flags, next);
    }
    if (indirect) queue.describe(queue.descriptors, head, table, length * 16, 4);
    // A request header that a disk understands.
    memory.view(scratch, 0x8000).fill(pick([0, 0, 1, 4, 8, 11, 13]), below(0x4000), 0x4000 + below(0x4000));
    memory.data.setUint32(0x30000 + below(0x800) * 16, pick([0, 1, 4, 8, 11, 13, 99]), true);
    queue.publish(wild ? value(below) & 0xffff : head);
  }
  if (wild && below(3) === 0) queue.setAvailableIndex(below(65536));
  if (wild && below(3) === 0) {
    const at = below(0x30000 - 64);
    for (let index = 0; index < 64; index++) memory.bytes[at + index] = below(256);
  }
  driver.transport.notify(below(4) === 0 ? below(8) : Math.max(0, driver.queues.indexOf(queue)));
  if (below(2) === 0) driver.transport.takeInterrupts();
  for (let left = 32; left > 0 && queue.take() !== undefined; left--);
}

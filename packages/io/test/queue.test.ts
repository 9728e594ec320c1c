import type { VirtioChain } from "@isomorph/interface";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SplitQueue } from "../src/index.ts";
import { type DriverBuffer, DriverQueue, testMemory } from "../src/testing/index.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

interface Setup {
  size?: number;
  indirect?: boolean;
  eventIndex?: boolean;
  start?: number;
  /** Bytes from the start of RAM to the rings; there is 256 KiB more. */
  distance?: number;
}

function setup(options: Setup = {}) {
  const { size = 8, indirect = true, eventIndex = false, start = 0, distance = 0 } = options;
  const memory = testMemory(distance + (1 << 18));
  const driver = new DriverQueue({ memory, size, gpa: memory.base + distance, eventIndex, start });
  let interrupts = 0;
  const broken: string[] = [];
  const make = (): SplitQueue =>
    new SplitQueue({
      memory,
      size,
      descriptors: driver.descriptors,
      available: driver.available,
      used: driver.used,
      indirect,
      eventIndex,
      interrupt: () => void interrupts++,
      broken: (reason) => void broken.push(reason),
    });
  const queue = make();
  queue.restore({ version: 1, next: start, used: start, signalled: start, inFlight: [] });
  return {
    memory,
    driver,
    queue,
    make,
    broken,
    data: memory.base + distance + 0x10000,
    get interrupts() {
      return interrupts;
    },
  };
}

const shape = (chain: VirtioChain | undefined) =>
  chain && {
    head: chain.head,
    readable: chain.readable.map(({ gpa, bytes }) => [gpa, bytes.length]),
    writable: chain.writable.map(({ gpa, bytes }) => [gpa, bytes.length]),
    lengths: [chain.readableLength, chain.writableLength],
  };

describe("VIRTIO 1.2 section 2.7, device side", () => {
  test("2.7.5: a chain comes out as the driver made it, and its windows reach guest memory", () => {
    const { driver, queue, data, memory } = setup();
    const head = driver.add([
      { gpa: data, length: 16 },
      { gpa: data + 0x100, length: 32 },
      { gpa: data + 0x200, length: 64, writable: true },
    ]);
    memory.view(data, 1)[0] = 0x5a;
    const chain = queue.pop()!;
    expect(shape(chain)).toEqual({
      head,
      readable: [
        [data, 16],
        [data + 0x100, 32],
      ],
      writable: [[data + 0x200, 64]],
      lengths: [48, 64],
    });
    expect(chain.readable[0]!.bytes[0]).toBe(0x5a);
    chain.writable[0]!.bytes[63] = 0xa5;
    memory.dirty.length = 0;
    queue.push(chain, 64);
    expect(memory.view(data + 0x200, 64)[63]).toBe(0xa5);
    expect(memory.dirty[0]).toEqual({ gpa: data + 0x200, length: 64 });
    expect(driver.take()).toEqual({ head, written: 64 });
    expect(queue.pop()).toBeUndefined();
  });

  test("rings, indirect tables and buffers lie beyond 4 GiB", () => {
    const { driver, queue, data, memory, ...rest } = setup({ distance: 5 * 2 ** 30, eventIndex: true });
    const near = memory.base + 0x1000;
    for (let round = 0; round < 20; round++) {
      const head = driver.add(
        [
          { gpa: data, length: 8 },
          { gpa: near, length: 8 },
          { gpa: data + 8, length: 8, writable: true },
        ],
        data + 0x1000,
      );
      memory.data.setUint8(data - memory.base, round);
      const chain = queue.pop()!;
      expect(shape(chain)).toMatchObject({ writable: [[data + 8, 8]], lengths: [16, 8] });
      expect(chain.readable[0]!.bytes[0]).toBe(round);
      chain.writable[0]!.bytes[0] = round;
      queue.push(chain, 8);
      queue.notify();
      expect(memory.data.getUint8(data + 8 - memory.base)).toBe(round);
      expect(driver.take()).toEqual({ head, written: 8 });
      expect(queue.pop()).toBeUndefined();
    }
    expect(rest.broken).toEqual([]);
  });

  test("2.7.5.3: indirect tables, alone and after direct descriptors", () => {
    const { driver, queue, data } = setup();
    const buffers = [
      { gpa: data, length: 8 },
      { gpa: data + 8, length: 8, writable: true },
    ];
    driver.add(buffers, data + 0x1000);
    expect(shape(queue.pop())).toMatchObject({ readable: [[data, 8]], writable: [[data + 8, 8]] });
    driver.describe(driver.descriptors, 5, data + 0x40, 4, NEXT, 6);
    driver.describe(driver.descriptors, 6, data + 0x1000, 32, INDIRECT | WRITE);
    driver.publish(5);
    expect(shape(queue.pop())).toMatchObject({
      readable: [
        [data + 0x40, 4],
        [data, 8],
      ],
      writable: [[data + 8, 8]],
    });
  });

  test("2.7.5.3: an indirect chain may be longer than the queue", () => {
    const { driver, queue, data } = setup({ size: 2 });
    const buffers = Array.from(
      { length: 100 },
      (_, index): DriverBuffer => ({ gpa: data + index, length: 1 }),
    );
    driver.add(buffers, data + 0x1000);
    expect(queue.pop()?.readableLength).toBe(100);
  });

  test("2.7.8: chains may be used in any order; the used ring has the order of use", () => {
    const { driver, queue, data } = setup();
    const heads = [0, 1, 2].map((index) => driver.add([{ gpa: data + index, length: 1, writable: true }]));
    const [a, b, c] = [queue.pop()!, queue.pop()!, queue.pop()!];
    for (const chain of [b, c, a]) queue.push(chain, 1);
    expect([driver.take()?.head, driver.take()?.head, driver.take()?.head]).toEqual([
      heads[1],
      heads[2],
      heads[0],
    ]);
  });

  test("2.7.7: the driver's flag suppresses interrupts; without anything used there is none", () => {
    const bench = setup();
    bench.queue.notify();
    expect(bench.interrupts).toBe(0);
    bench.driver.add([{ gpa: bench.data, length: 1 }]);
    bench.queue.push(bench.queue.pop()!, 0);
    bench.queue.notify();
    bench.queue.notify();
    expect(bench.interrupts).toBe(1);
    bench.driver.suppressInterrupts(true);
    bench.driver.add([{ gpa: bench.data, length: 1 }]);
    bench.queue.push(bench.queue.pop()!, 0);
    bench.queue.notify();
    expect(bench.interrupts).toBe(1);
  });

  test("2.7.7.2: used_event says after which chain to interrupt", () => {
    const bench = setup({ eventIndex: true, start: 0xfffe });
    bench.driver.setUsedEvent(0);
    const use = (): void => {
      bench.driver.add([{ gpa: bench.data, length: 1 }]);
      bench.queue.push(bench.queue.pop()!, 0);
      bench.queue.notify();
    };
    use();
    use();
    expect(bench.interrupts).toBe(0);
    use();
    expect(bench.interrupts).toBe(1);
    use();
    expect(bench.interrupts).toBe(1);
  });

  test("2.7.10: avail_event asks for a notification only once the queue is empty", () => {
    const { driver, queue, data } = setup({ eventIndex: true });
    driver.add([{ gpa: data, length: 1 }]);
    expect(driver.needsNotification()).toBe(true);
    queue.pop();
    driver.add([{ gpa: data, length: 1 }]);
    expect(driver.needsNotification()).toBe(false);
    queue.pop();
    expect(queue.pop()).toBeUndefined();
    driver.add([{ gpa: data, length: 1 }]);
    expect(driver.needsNotification()).toBe(true);
  });

  test("a detached queue gives nothing and takes nothing", () => {
    const { driver, queue, data } = setup();
    driver.add([{ gpa: data, length: 1, writable: true }]);
    driver.add([{ gpa: data, length: 1 }]);
    const chain = queue.pop()!;
    queue.detach();
    queue.push(chain, 1);
    expect([driver.take(), queue.pop(), queue.alive]).toEqual([undefined, undefined, false]);
  });

  test("a chain is given back once", () => {
    const { driver, queue, data } = setup();
    const head = driver.add([{ gpa: data, length: 1, writable: true }]);
    const chain = queue.pop()!;
    queue.push(chain, 1);
    queue.push(chain, 1);
    expect([driver.take()?.head, driver.take()]).toEqual([head, undefined]);
  });
});

describe("VIRTIO 1.2 section 2.7: what breaks a ring", () => {
  const end = 0x8000_0000 + (1 << 18);
  const cases: [string, RegExp, (bench: ReturnType<typeof setup>) => void][] = [
    ["a head beyond the queue", /head index/, ({ driver }) => driver.publish(8)],
    ["a head beyond the queue by far", /head index/, ({ driver }) => driver.publish(0xffff)],
    ["more available than fits", /available index/, ({ driver }) => driver.setAvailableIndex(9)],
    [
      "an available index that goes back",
      /available index/,
      ({ driver }) => driver.setAvailableIndex(0xffff),
    ],
    [
      "a loop of one",
      /loop/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data, 4, NEXT, 0);
        driver.publish(0);
      },
    ],
    [
      "a loop of two",
      /loop/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data, 4, NEXT, 1);
        driver.describe(driver.descriptors, 1, data, 4, NEXT, 0);
        driver.publish(0);
      },
    ],
    [
      "a next index beyond the table",
      /next index/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data, 4, NEXT, 8);
        driver.publish(0);
      },
    ],
    [
      "a buffer of length zero",
      /length zero/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data, 0, 0);
        driver.publish(0);
      },
    ],
    [
      "a buffer below memory",
      /outside memory/,
      ({ driver }) => {
        driver.describe(driver.descriptors, 0, 0x7fff_ffff, 2, 0);
        driver.publish(0);
      },
    ],
    [
      "a buffer that runs over the end of memory",
      /outside memory/,
      ({ driver }) => {
        driver.describe(driver.descriptors, 0, end - 4, 8, 0);
        driver.publish(0);
      },
    ],
    [
      "a buffer at 2^64",
      /outside memory/,
      ({ driver }) => {
        driver.describe(driver.descriptors, 0, 2 ** 64 - 2 ** 12, 0xffffffff, 0);
        driver.publish(0);
      },
    ],
    [
      "a readable buffer after a writable one",
      /readable buffer after/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data, 4, NEXT | WRITE, 1);
        driver.describe(driver.descriptors, 1, data, 4, 0);
        driver.publish(0);
      },
    ],
    [
      "an indirect table in an indirect table",
      /in an indirect table/,
      ({ driver, data }) => {
        driver.describe(data + 0x1000, 0, data + 0x2000, 16, INDIRECT);
        driver.describe(driver.descriptors, 0, data + 0x1000, 16, INDIRECT);
        driver.publish(0);
      },
    ],
    [
      "an indirect descriptor with a next one",
      /with a next/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data + 0x1000, 16, INDIRECT | NEXT, 1);
        driver.publish(0);
      },
    ],
    [
      "an indirect table of odd length",
      /odd length/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data + 0x1000, 24, INDIRECT);
        driver.publish(0);
      },
    ],
    [
      "an empty indirect table",
      /odd length/,
      ({ driver, data }) => {
        driver.describe(driver.descriptors, 0, data + 0x1000, 0, INDIRECT);
        driver.publish(0);
      },
    ],
    [
      "an indirect table outside memory",
      /outside memory/,
      ({ driver }) => {
        driver.describe(driver.descriptors, 0, end - 16, 32, INDIRECT);
        driver.publish(0);
      },
    ],
    [
      "a next index beyond an indirect table",
      /next index/,
      ({ driver, data }) => {
        driver.describe(data + 0x1000, 0, data, 4, NEXT, 1);
        driver.describe(driver.descriptors, 0, data + 0x1000, 16, INDIRECT);
        driver.publish(0);
      },
    ],
    [
      "an indirect chain of more than 1024 buffers",
      /too long/,
      ({ driver, data }) => {
        const buffers = Array.from({ length: 1025 }, (): DriverBuffer => ({ gpa: data, length: 1 }));
        driver.add(buffers, data + 0x1000);
      },
    ],
    [
      "the same head twice",
      /in use already/,
      ({ driver, queue, data }) => {
        driver.describe(driver.descriptors, 0, data, 4, 0);
        driver.publish(0);
        expect(queue.pop()?.head).toBe(0);
        driver.publish(0);
      },
    ],
  ];
  for (const [name, reason, provoke] of cases) {
    test(name, () => {
      const bench = setup();
      provoke(bench);
      expect(bench.queue.pop()).toBeUndefined();
      expect(bench.broken).toHaveLength(1);
      expect(bench.broken[0]).toMatch(reason);
      bench.driver.add([{ gpa: bench.data, length: 4 }]);
      expect(bench.queue.pop()).toBeUndefined();
      expect(bench.broken).toHaveLength(1);
    });
  }

  test("an indirect descriptor that was not negotiated", () => {
    const { driver, queue, data, broken } = setup({ indirect: false });
    driver.add([{ gpa: data, length: 4 }], data + 0x1000);
    expect(queue.pop()).toBeUndefined();
    expect(broken[0]).toMatch(/not negotiated/);
  });

  test("a ring outside memory, unaligned, or of an odd size", () => {
    const memory = testMemory(4096);
    const { base } = memory;
    const good = { memory, size: 8, descriptors: base, available: base + 128, used: base + 256 };
    const bad = [
      { descriptors: base - 16 },
      { descriptors: base + 4096 - 112 },
      { descriptors: base + 8 },
      { descriptors: 2 ** 63 },
      { available: base + 4080 },
      { available: base + 129 },
      { used: base + 4096 - 64 },
      { used: base + 258 },
      { size: 0 },
      { size: 3 },
      { size: 65536 },
      { size: 4294967295 },
    ];
    for (const change of [{}, ...bad]) {
      const broken: string[] = [];
      const queue = new SplitQueue({
        ...good,
        ...change,
        indirect: true,
        eventIndex: true,
        interrupt: () => {},
        broken: (reason) => void broken.push(reason),
      });
      expect(broken.length).toBe(change === bad[0] || Object.keys(change).length > 0 ? 1 : 0);
      expect(queue.pop()).toBeUndefined();
      queue.notify();
    }
  });
});

describe("split ring properties", () => {
  test("every index value, through the wrap-around at 65536, for small and odd batches", () => {
    for (const eventIndex of [false, true]) {
      const { driver, queue, data } = setup({ size: 4, eventIndex });
      for (let index = 0; index < 70_000; ) {
        const batch = 1 + (index % 3);
        for (let at = 0; at < batch; at++) driver.add([{ gpa: data + at, length: 1, writable: true }]);
        for (let at = 0; at < batch; at++, index++) {
          const chain = queue.pop();
          if (chain === undefined || chain.writable[0]?.gpa !== data + at)
            throw new Error(`chain ${index} is wrong`);
          queue.push(chain, 1);
        }
        for (let at = 0; at < batch; at++) {
          if (driver.take()?.written !== 1) throw new Error(`used ${index} is wrong`);
        }
        if (driver.take() !== undefined || queue.pop() !== undefined) throw new Error(`too many at ${index}`);
      }
    }
  });

  test("a driver and a device that use a ring at random never lose, repeat or reorder, saved and restored midway", () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("add" as const),
          parts: fc.integer({ min: 1, max: 3 }),
          table: fc.boolean(),
        }),
      },
      { weight: 4, arbitrary: fc.constant({ kind: "pop" as const }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("push" as const), pick: fc.nat() }) },
      { weight: 2, arbitrary: fc.constant({ kind: "take" as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: "move" as const }) },
    );
    fc.assert(
      fc.property(
        fc.nat(0xffff),
        fc.constantFrom(2, 4, 16),
        fc.boolean(),
        fc.array(step, { maxLength: 120 }),
        (start, size, eventIndex, steps) => {
          const bench = setup({ start, size, eventIndex });
          const { driver, data } = bench;
          let { queue } = bench;
          const added: { head: number; id: number }[] = [];
          let held: { chain: VirtioChain; id: number }[] = [];
          const used: { head: number; written: number }[] = [];
          let ids = 0;
          for (const action of steps) {
            if (action.kind === "add") {
              if (driver.free < action.parts) continue;
              const id = ids++ % 0x8000;
              const buffers = Array.from(
                { length: action.parts },
                (_, at): DriverBuffer => ({
                  gpa: data + id + at,
                  length: at + 1,
                  writable: at > 0,
                }),
              );
              const free = driver.free;
              const head = driver.add(buffers, action.table ? data + 0x10000 + (free - 1) * 64 : undefined);
              added.push({ head, id });
            } else if (action.kind === "pop") {
              const chain = queue.pop();
              const expected = added.shift();
              expect(chain?.head).toBe(expected?.head);
              if (chain === undefined || expected === undefined) continue;
              expect(chain.readable[0]!.gpa).toBe(data + expected.id);
              held.push({ chain, id: expected.id });
            } else if (action.kind === "push") {
              if (held.length === 0) continue;
              const [entry] = held.splice(action.pick % held.length, 1);
              const { chain } = entry!;
              const written = chain.writableLength;
              used.push({ head: chain.head, written });
              queue.push(chain, written);
            } else if (action.kind === "take") {
              expect(driver.take()).toEqual(used.shift());
            } else {
              const next = bench.make();
              next.restore(structuredClone(queue.save()));
              expect(next.save()).toEqual(queue.save());
              queue = next;
              // What was in flight comes out again, in its old order.
              expect(queue.replays).toBe(held.length);
              held = held.map(({ chain, id }) => {
                const again = queue.pop()!;
                expect(again.head).toBe(chain.head);
                expect(again.readable[0]!.gpa).toBe(data + id);
                return { chain: again, id };
              });
            }
          }
          expect(bench.broken).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

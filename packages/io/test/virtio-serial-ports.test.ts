import { snapshottableCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { MemoryMappedBus, type SerialPort, VirtioSerialPorts, virtioMmio } from "../src/index.ts";
import { mmioTransport, startDriver, testMemory } from "../src/testing/index.ts";
import { settle } from "./virtio-harness.ts";
import { testSlot } from "./wires.ts";

const BASE = 0x1000_1000;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** A device with a driver that plays a guest. */
function setup(names = ["one", "two"], size = 1 << 20) {
  const memory = testMemory(size);
  const device = new VirtioSerialPorts({ names });
  const transport = virtioMmio(testSlot(memory), device);
  const bus = new MemoryMappedBus();
  bus.add(BASE, transport.size, transport);
  const driver = startDriver(mmioTransport(bus, BASE), { memory, queues: memory.base });
  let next = driver.end;
  const place = (length: number): number => {
    const gpa = next;
    next += length;
    return gpa;
  };
  return {
    device,
    driver,
    memory,
    /** Gives the device a buffer to fill; returns how to see what came. */
    offer(queue: number, length: number): () => Uint8Array | undefined {
      const gpa = place(length);
      driver.queues[queue]?.add([{ gpa, length, writable: true }]);
      driver.kick(queue);
      return () => {
        const used = driver.queues[queue]?.take();
        return used && memory.view(gpa, used.written).slice();
      };
    },
    /** Gives the device bytes. */
    send(queue: number, bytes: Uint8Array): void {
      const gpa = place(bytes.length);
      memory.view(gpa, bytes.length).set(bytes);
      driver.queues[queue]?.add([{ gpa, length: bytes.length }]);
      driver.kick(queue);
    },
  };
}

type Bench = ReturnType<typeof setup>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value && new TextDecoder().decode(value.slice());

function message(id: number, event: number, value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  return new Uint8Array(view.buffer);
}

/** Control messages that the device sends, as `[port, event, value, rest]`. */
function told(bench: Bench, count: number): unknown[] {
  const offers = Array.from({ length: count }, () => bench.offer(CONTROL_RECEIVE, 64));
  return offers.flatMap((take) => {
    const came = take();
    if (came === undefined) return [];
    const view = new DataView(came.buffer, came.byteOffset);
    const rest = text(came.subarray(8));
    return [[view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true), rest]];
  });
}

const openPort = (bench: Bench, number: number, isOpen = true): void =>
  bench.send(CONTROL_TRANSMIT, message(number, 6, isOpen ? 1 : 0));

const port = (bench: Bench, index: number): SerialPort => bench.device.ports[index]!;

describe("serial ports (VIRTIO 1.2, section 5.3, VIRTIO_CONSOLE_F_MULTIPORT)", () => {
  test("5.3.4: the configuration says how many ports there are, 5.3.2: each has two queues", () => {
    const { driver, device } = setup(["a", "b", "c"]);
    expect(driver.features & 2n).toBe(2n);
    expect(device.config.read(4, 4)).toBe(4);
    expect(driver.queues.length).toBe(10);
  });

  test("5.3.5: ports are added, opened and named when the driver asks", () => {
    const bench = setup();
    bench.send(CONTROL_TRANSMIT, message(0xffffffff, 0, 1));
    expect(told(bench, 2)).toEqual([
      [1, 1, 1, ""],
      [2, 1, 1, ""],
    ]);
    bench.send(CONTROL_TRANSMIT, message(2, 3, 1));
    expect(told(bench, 2)).toEqual([
      [2, 6, 1, ""],
      [2, 7, 1, "two"],
    ]);
  });

  test("bytes reach the guest once it has opened the port, and not before", () => {
    const bench = setup();
    const one = port(bench, 0);
    let opened = 0;
    one.onopen = () => {
      opened++;
      one.write(bytes("hello"));
    };
    one.write(bytes("too early"));
    const take = bench.offer(4, 16);
    expect(take()).toBeUndefined();
    openPort(bench, 1);
    expect([opened, text(take())]).toEqual([1, "hello"]);
  });

  test("the end follows everything that was written, and only once", () => {
    const bench = setup();
    const one = port(bench, 0);
    openPort(bench, 1);
    one.write(bytes("abcdef"));
    one.end();
    one.write(bytes("dropped"));
    one.end();
    expect(told(bench, 1)).toEqual([]);
    const first = bench.offer(4, 4);
    const second = bench.offer(4, 4);
    expect([text(first()), text(second())]).toEqual(["abcd", "ef"]);
    // The buffer that was offered above is filled now.
    expect(bench.driver.queues[CONTROL_RECEIVE]?.take()?.written).toBe(8);
    expect(told(bench, 1)).toEqual([]);
    // Opened again, it is a new stream, and the guest is told so.
    openPort(bench, 1, false);
    openPort(bench, 1);
    expect(bench.driver.queues[CONTROL_RECEIVE]?.take()?.written).toBe(8);
    one.write(bytes("again"));
    expect(text(bench.offer(4, 16)())).toBe("again");
  });

  test("a writer is told to wait for a guest that does not read, and when to go on", () => {
    const bench = setup();
    const one = port(bench, 0);
    let drained = 0;
    one.ondrain = () => {
      drained++;
    };
    openPort(bench, 1);
    expect(one.write(new Uint8Array(1 << 16))).toBe(true);
    expect(one.write(new Uint8Array(1))).toBe(false);
    bench.offer(4, 1 << 14);
    expect(drained).toBe(0);
    bench.offer(4, 1 << 15);
    expect(drained).toBe(1);
  });

  test("a paused port leaves the guest's bytes in its queue", () => {
    const bench = setup();
    const two = port(bench, 1);
    const came: string[] = [];
    two.ontransmit = (chunk) => came.push(text(chunk) ?? "");
    openPort(bench, 2);
    bench.send(7, bytes("first"));
    two.pause();
    bench.send(7, bytes("second"));
    expect(came).toEqual(["first"]);
    expect(bench.driver.queues[7]?.take()).toBeDefined();
    expect(bench.driver.queues[7]?.take()).toBeUndefined();
    two.resume();
    expect(came).toEqual(["first", "second"]);
    expect(bench.driver.queues[7]?.take()).toBeDefined();
  });

  test("a reset closes the ports and forgets what waited", () => {
    const bench = setup();
    const one = port(bench, 0);
    const events: string[] = [];
    one.onclose = () => events.push("close");
    one.ondrain = () => events.push("drain");
    openPort(bench, 1);
    one.write(new Uint8Array(1 << 17));
    bench.driver.transport.writeStatus(0);
    expect(events).toEqual(["close", "drain"]);
    expect([one.isOpen, one.hasPending]).toEqual([false, false]);
  });

  test("a driver that asks without end and never listens costs nothing", () => {
    const bench = setup(["a", "b"], 1 << 22);
    for (let round = 0; round < 5000; round++) {
      bench.send(CONTROL_TRANSMIT, message(0, 0, 1));
      bench.driver.queues[CONTROL_TRANSMIT]?.take();
    }
    const came = told(bench, 60).length + told(bench, 60).length;
    expect(came).toBeGreaterThan(2);
    expect(came).toBeLessThanOrEqual(64);
  });

  test("garbage in every queue throws nothing and opens no port that is not there", () => {
    const bench = setup(["a", "b"], 1 << 22);
    let seed = 12345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 3000; round++) {
      const queue = random(6);
      const length = 1 + random(12);
      const rings = bench.driver.queues[queue]!;
      while (rings.take() !== undefined);
      if (rings.free === 0) continue;
      const noise = Uint8Array.from({ length }, () => random(256));
      if (queue % 2 === 0) bench.offer(queue, length);
      else bench.send(queue, noise);
      if (random(50) === 0) for (const candidate of bench.device.ports) candidate.write(bytes("noise"));
    }
    expect(bench.device.ports.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("more than a driver puts into a chain is dropped and counted", () => {
    const bench = setup(["a"], 1 << 23);
    let came = 0;
    port(bench, 0).ontransmit = (chunk) => {
      came += chunk.length;
    };
    openPort(bench, 1);
    bench.send(5, new Uint8Array((1 << 20) + 5));
    expect(came).toBe(1 << 20);
    expect(bench.device.counters()).toMatchObject({ transmitted: 1 << 20, dropped: 5 });
  });

  test("a queue of long chains is taken in several turns of the event loop, and none after a close", async () => {
    const bench = setup(["a"], 1 << 22);
    const one = port(bench, 0);
    let came = 0;
    one.ontransmit = (chunk) => {
      came += chunk.length;
    };
    openPort(bench, 1);
    const fill = (): void => {
      // All chains are the same megabyte.
      const gpa = bench.memory.base + (2 << 20);
      const queue = bench.driver.queues[5]!;
      while (queue.take() !== undefined);
      for (let count = 0; count < 20; count++) queue.add([{ gpa, length: 1 << 20 }]);
      bench.driver.kick(5);
    };
    fill();
    expect(came).toBe(16 << 20);
    await settle();
    expect(came).toBe(20 << 20);
    fill();
    bench.device.close();
    await settle();
    expect(came).toBe(36 << 20);
  });

  test("names that are none, too many or too long are refused", () => {
    for (const names of [[], [""], ["x".repeat(256)], new Array<string>(32).fill("x")]) {
      expect(() => new VirtioSerialPorts({ names })).toThrow(RangeError);
    }
  });

  test("a snapshot of another device is refused", () => {
    const saved = new VirtioSerialPorts({ names: ["a", "b"] }).save();
    const device = new VirtioSerialPorts({ names: ["a"] });
    expect(() => device.restore(saved)).toThrow("2 ports, not 1");
    expect(() => device.restore({ version: 2 })).toThrow("version 2");
  });

  const subject = () => {
    const part = new VirtioSerialPorts({ names: ["a"] });
    const [port] = part.ports;
    const disturb = (): void => {
      port?.setOpen(true);
      port?.write(bytes("more"));
    };
    return { part, disturb };
  };
  for (const { name, run } of snapshottableCases(subject)) test(`save and restore: ${name}`, run);
});

import { snapshottableCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { VirtioConsole, type VirtioConsoleOptions, virtioConsole, virtioRng } from "../src/index.ts";
import { bench, settle, transports } from "./virtio-harness.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const string = (bytes: Uint8Array | undefined): string =>
  new TextDecoder().decode((bytes ?? new Uint8Array()).slice());

function setup(options: VirtioConsoleOptions = {}, transport = transports[0]!) {
  const machine = bench(transport, virtioConsole(options));
  const driver = machine.start();
  const { memory } = machine;
  const [receive, transmit] = driver.queues;
  let next = driver.end;
  return {
    machine,
    driver,
    device: machine.device,
    send(value: string) {
      memory.view(next, value.length).set(text(value));
      transmit!.add([{ gpa: next, length: value.length }]);
      next += value.length;
      driver.kick(1);
    },
    /** Gives the device a receive buffer of `length` bytes in two parts. */
    offer(length: number, at = 0) {
      const gpa = driver.end + 0x10000 + at;
      receive!.add([
        { gpa, length: 1, writable: true },
        { gpa: gpa + 1, length: length - 1, writable: true },
      ]);
      driver.kick(0);
      return (written: number) => string(memory.view(gpa, written));
    },
    receive: receive!,
    transmit: transmit!,
  };
}

describe("virtio-console (VIRTIO 1.2, section 5.3)", () => {
  for (const transport of transports) {
    test(`5.3.6: bytes both ways over ${transport}`, () => {
      const { device, send, offer, receive, transmit } = setup({}, transport);
      const output: string[] = [];
      device.ontransmit = (bytes) => void output.push(string(bytes));
      send("hello");
      expect(output).toEqual(["hello"]);
      expect(transmit.take()?.written).toBe(0);
      const buffer = offer(16);
      expect(device.write(text("typed"))).toBe(5);
      const used = receive.take();
      expect([used?.written, buffer(5)]).toEqual([5, "typed"]);
      expect(device.counters()).toEqual({ transmitted: 5, received: 5, dropped: 0 });
    });
  }

  test("5.3.6: input waits for buffers, is cut to fit them, and the host is told when there is room", () => {
    const { device, offer, receive } = setup({ inputCapacity: 8 });
    let drained = 0;
    device.ondrain = () => drained++;
    expect(device.write(text("0123456789"))).toBe(8);
    expect(device.write(text("x"))).toBe(0);
    const first = offer(3);
    expect([receive.take()?.written, first(3), drained]).toEqual([3, "012", 0]);
    const second = offer(100, 64);
    expect([receive.take()?.written, second(5), drained]).toEqual([5, "34567", 1]);
  });

  test("5.3.4: the size of the terminal, and its changes", () => {
    const { device, driver } = setup({ columns: 132, rows: 43 });
    const { transport } = driver;
    expect([transport.readConfig(0, 2), transport.readConfig(2, 2), transport.readConfig(4, 4)]).toEqual([
      132, 43, 1,
    ]);
    const generation = transport.configGeneration();
    device.resize(100, 30);
    expect([transport.readConfig(0, 2), transport.readConfig(2, 2)]).toEqual([100, 30]);
    expect(transport.configGeneration()).toBe(generation + 1);
    expect(transport.takeInterrupts()).toBe(2);
    expect(() => device.resize(0, 30)).toThrow(/0 columns/);
    expect(() => device.resize(80, 65536)).toThrow(RangeError);
    const saved = { ...device.save(), rows: 0 };
    expect(() => device.restore(saved)).toThrow("snapshot field rows is not an integer from 1 to 65535");
  });

  test("5.3.4: emergency writes work before the driver has started", () => {
    const machine = bench("mmio", virtioConsole());
    const output: number[] = [];
    machine.device.ontransmit = (bytes) => void output.push(...bytes);
    const registers = machine.probe();
    for (const byte of text("panic")) registers.writeConfig(8, 4, byte | 0x1200);
    machine.device.flush();
    expect(output).toEqual([...text("panic")]);
  });

  test("a reader that is behind makes the guest wait; nothing is dropped", async () => {
    const { device, send, transmit, machine } = setup({ outputLimit: 10 });
    const reader = device.readable.getReader();
    for (let index = 0; index < 10; index++) send(`line ${index}|`);
    await settle();
    let used = 0;
    while (transmit.take() !== undefined) used++;
    expect(used).toBeLessThan(4);
    let all = "";
    while (all.length < 70) all += string((await reader.read()).value);
    expect(all).toBe(Array.from({ length: 10 }, (_, index) => `line ${index}|`).join(""));
    expect(device.counters().dropped).toBe(0);
    await machine.slot.close();
    expect((await reader.read()).done).toBe(true);
  });

  test("streams: a writer waits until the guest has taken its bytes", async () => {
    const { device, offer, receive } = setup({ inputCapacity: 4 });
    const writer = device.writable.getWriter();
    let done = false;
    const writing = writer.write(text("0123456789")).then(() => {
      done = true;
    });
    let got = "";
    for (let round = 0; got.length < 10; round++) {
      await settle();
      const buffer = offer(16, round * 16);
      const used = receive.take();
      if (used !== undefined) got += buffer(used.written);
      else break;
    }
    await settle();
    const rest = receive.take();
    expect(rest).toBeUndefined();
    await writing;
    expect([done, got]).toEqual([true, "0123456789"]);
  });

  test("a reset keeps what the host has typed", () => {
    const { device, machine } = setup();
    device.write(text("ahead"));
    const driver = machine.start();
    driver.queues[0]!.add([{ gpa: driver.end, length: 16, writable: true }]);
    driver.kick(0);
    expect(driver.queues[0]!.take()?.written).toBe(5);
  });

  let step = 0;
  for (const { name, run } of snapshottableCases(() => {
    const part = new VirtioConsole();
    return {
      part,
      disturb() {
        part.resize(80 + ++step, 24);
        part.write(text("x"));
      },
    };
  })) {
    test(`snapshot: ${name}`, run);
  }
});

describe("virtio-rng (VIRTIO 1.2, section 5.4)", () => {
  test("5.4.6: fills buffers with entropy from the source it is given", () => {
    let next = 0;
    const machine = bench("pci", virtioRng({ source: (target) => void target.fill(++next) }));
    const driver = machine.start();
    driver.queues[0]!.add([
      { gpa: driver.end, length: 10, writable: true },
      { gpa: driver.end + 0x100, length: 20, writable: true },
    ]);
    driver.kick(0);
    expect(driver.queues[0]!.take()?.written).toBe(30);
    expect(machine.memory.view(driver.end, 11)).toEqual(new Uint8Array([...new Array(10).fill(1), 0]));
    expect(machine.memory.view(driver.end + 0x100, 21)).toEqual(
      new Uint8Array([...new Array(20).fill(2), 0]),
    );
    expect(machine.device.counters()).toEqual({ requests: 1, bytes: 30 });
  });

  test("a huge request gets as much as is given at a time", () => {
    const machine = bench("mmio", virtioRng());
    const driver = machine.start();
    driver.queues[0]!.add([{ gpa: driver.end, length: 200_000, writable: true }]);
    driver.queues[0]!.add([{ gpa: driver.end, length: 16 }]);
    driver.kick(0);
    expect([driver.queues[0]!.take()?.written, driver.queues[0]!.take()?.written]).toEqual([4096, 0]);
    const counts = new Array<number>(256).fill(0);
    for (const byte of machine.memory.view(driver.end, 4096)) counts[byte] = (counts[byte] ?? 0) + 1;
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(250);
    expect(machine.memory.view(driver.end + 4096, 100).every((byte) => byte === 0)).toBe(true);
  });
});

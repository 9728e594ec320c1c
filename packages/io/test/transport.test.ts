import type { VirtioActivation, VirtioChain, VirtioDevice } from "@isomorph/interface";
import { describe, expect, test } from "vitest";
import {
  STATUS,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from "../src/virtio/constants.ts";
import { bench, MMIO, transports } from "./virtio-harness.ts";

/** A device that echoes: it holds chains until told, and copies readable bytes into writable ones. */
function echo(): VirtioDevice & {
  activation: VirtioActivation | undefined;
  readonly held: VirtioChain[];
  readonly log: string[];
  finish(): void;
} {
  const config = new DataView(new ArrayBuffer(8));
  const held: VirtioChain[] = [];
  const log: string[] = [];
  const device = {
    bus: "virtio" as const,
    id: 42,
    features: (1n << 0n) | (1n << 40n),
    queueSizes: [16, 4],
    config: {
      size: 8,
      read: (offset: number, size: number) =>
        size === 4
          ? config.getUint32(offset, true)
          : size === 2
            ? config.getUint16(offset, true)
            : config.getUint8(offset),
      write: (offset: number, size: number, value: number) => {
        if (size === 4) config.setUint32(offset, value, true);
        else if (size === 2) config.setUint16(offset, value, true);
        else config.setUint8(offset, value);
      },
    },
    activation: undefined as VirtioActivation | undefined,
    held,
    log,
    activate(activation: VirtioActivation) {
      device.activation = activation;
      log.push("activate");
    },
    notify(index: number) {
      log.push(`notify ${index}`);
      const queue = device.activation?.queues[index];
      for (let chain = queue?.pop(); chain !== undefined; chain = queue?.pop()) held.push(chain);
    },
    finish() {
      const queue = device.activation?.queues[0];
      for (const chain of held.splice(0)) {
        chain.writable[0]?.bytes.set(chain.readable[0]?.bytes ?? []);
        queue?.push(chain, chain.readableLength);
      }
      queue?.notify();
    },
    reset() {
      device.activation = undefined;
      held.length = 0;
      log.push("reset");
    },
    save: () => ({ version: 1 }),
    restore: () => {},
  };
  return device;
}

for (const transport of transports) {
  describe(`virtio over ${transport}`, () => {
    test("3.1.1: initialisation, a request, its interrupt", () => {
      const machine = bench(transport, echo);
      const driver = machine.start();
      const { device, memory } = machine;
      expect(driver.transport.deviceId).toBe(42);
      expect(driver.features).toBe(
        (1n << 0n) | (1n << 40n) | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
      );
      expect(device.activation?.features).toBe(driver.features);
      expect(driver.queues.map((queue) => queue.size)).toEqual([16, 4]);
      expect(driver.transport.readStatus()).toBe(15);
      memory.view(driver.end, 4).set([1, 2, 3, 4]);
      const head = driver.queues[0]!.add([
        { gpa: driver.end, length: 4 },
        { gpa: driver.end + 16, length: 4, writable: true },
      ]);
      expect(driver.kick(0)).toBe(true);
      expect(machine.level).toBe(false);
      device.finish();
      expect(machine.level).toBe(true);
      expect(driver.transport.takeInterrupts()).toBe(1);
      expect(machine.level).toBe(false);
      expect(driver.queues[0]!.take()).toEqual({ head, written: 4 });
      expect([...memory.view(driver.end + 16, 4)]).toEqual([1, 2, 3, 4]);
    });

    test("2.2: features that were not offered, or no VERSION_1, are refused", () => {
      const machine = bench(transport, echo);
      for (const wrong of [VIRTIO_F_VERSION_1 | 2n, 1n, VIRTIO_F_VERSION_1 | (1n << 63n)]) {
        const registers = machine.probe();
        registers.writeStatus(0);
        registers.writeStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
        registers.writeFeatures(wrong);
        registers.writeStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK);
        expect(registers.readStatus()).toBe(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
        registers.writeStatus(15);
        expect(registers.readStatus() & STATUS.DRIVER_OK).toBe(0);
      }
      expect(machine.device.activation).toBeUndefined();
      expect(machine.start().transport.readStatus()).toBe(15);
    });

    test("2.2: features are fixed by FEATURES_OK", () => {
      const machine = bench(transport, echo);
      const registers = machine.probe();
      registers.writeStatus(3);
      registers.writeFeatures(VIRTIO_F_VERSION_1);
      registers.writeStatus(11);
      registers.writeFeatures(VIRTIO_F_VERSION_1 | 1n);
      registers.writeStatus(15);
      expect(machine.device.activation?.features).toBe(VIRTIO_F_VERSION_1);
    });

    test("2.1: status bits can't be cleared but by a reset, and unknown ones not set", () => {
      const machine = bench(transport, echo);
      const registers = machine.probe();
      registers.writeStatus(0x30 | STATUS.ACKNOWLEDGE | STATUS.DEVICE_NEEDS_RESET);
      expect(registers.readStatus()).toBe(STATUS.ACKNOWLEDGE);
      registers.writeStatus(STATUS.FAILED);
      expect(registers.readStatus()).toBe(STATUS.FAILED | STATUS.ACKNOWLEDGE);
      registers.writeStatus(0);
      expect(registers.readStatus()).toBe(0);
    });

    test("2.1.2: a broken ring sets DEVICE_NEEDS_RESET and tells the driver; a reset heals", () => {
      const machine = bench(transport, echo);
      let driver = machine.start();
      driver.queues[0]!.publish(0xffff);
      driver.transport.notify(0);
      expect(driver.transport.readStatus() & STATUS.DEVICE_NEEDS_RESET).toBe(STATUS.DEVICE_NEEDS_RESET);
      expect(machine.level).toBe(true);
      expect(driver.transport.takeInterrupts()).toBe(2);
      const before = machine.device.log.length;
      driver.transport.notify(1);
      expect(machine.device.log.length).toBe(before);
      expect(machine.function.counters().violations).toBe(1);
      driver = machine.start();
      expect(driver.transport.readStatus()).toBe(15);
      driver.queues[0]!.add([{ gpa: driver.end, length: 4 }]);
      driver.kick(0);
      expect(machine.device.held).toHaveLength(1);
    });

    test("2.1.2: a queue placed outside memory is found at DRIVER_OK", () => {
      const machine = bench(transport, echo);
      const registers = machine.probe();
      registers.writeStatus(3);
      registers.writeFeatures(VIRTIO_F_VERSION_1);
      registers.writeStatus(11);
      registers.enableQueue(0, 16, 2 ** 63, 0, 0);
      registers.writeStatus(15);
      expect(registers.readStatus() & STATUS.DEVICE_NEEDS_RESET).toBe(STATUS.DEVICE_NEEDS_RESET);
      registers.notify(0);
      expect(machine.device.held).toHaveLength(0);
    });

    test("2.4: a reset lets go of queues, interrupts and what is in flight", () => {
      const machine = bench(transport, echo);
      const driver = machine.start();
      driver.queues[0]!.add([
        { gpa: driver.end, length: 4 },
        { gpa: driver.end + 16, length: 4, writable: true },
      ]);
      driver.kick(0);
      const { activation } = machine.device;
      const chain = machine.device.held[0]!;
      activation!.configChanged();
      expect(machine.level).toBe(true);
      const before = machine.memory.bytes.slice();
      driver.transport.writeStatus(0);
      expect(machine.level).toBe(false);
      activation!.queues[0]!.push(chain, 4);
      activation!.queues[0]!.notify();
      expect(machine.memory.bytes).toEqual(before);
      expect(machine.level).toBe(false);
      expect([driver.transport.readStatus(), driver.transport.takeInterrupts()]).toEqual([0, 0]);
      machine.function.reset();
      expect(machine.device.log.filter((line) => line === "reset").length).toBeGreaterThanOrEqual(3);
    });

    test("2.5: the configuration space in all widths; its generation counts changes", () => {
      const machine = bench(transport, echo);
      const { transport: registers } = machine.start();
      registers.writeConfig(4, 4, 0x89abcdef);
      expect([registers.readConfig(4, 1), registers.readConfig(6, 2), registers.readConfig(4, 4)]).toEqual([
        0xef, 0x89ab, 0x89abcdef,
      ]);
      expect(registers.readConfig(8, 4)).toBe(0);
      registers.writeConfig(8, 4, 1);
      const generation = registers.configGeneration();
      machine.device.activation!.configChanged();
      expect(registers.configGeneration()).toBe(generation + 1);
      expect(registers.takeInterrupts()).toBe(2);
    });

    test("2.7: only queues that the driver enabled are there; a queue may be smaller than offered", () => {
      const machine = bench(transport, echo);
      const registers = machine.probe();
      registers.writeStatus(3);
      registers.writeFeatures(VIRTIO_F_VERSION_1);
      registers.writeStatus(11);
      const { base } = machine.memory;
      registers.enableQueue(1, 2, base, base + 0x1000, base + 0x2000);
      registers.enableQueue(7, 2, base, base + 0x1000, base + 0x2000);
      registers.writeStatus(15);
      expect(machine.device.activation?.queues.map((queue) => queue?.size)).toEqual([undefined, 2]);
      registers.notify(0);
      registers.notify(99);
      expect(machine.device.log).not.toContain("notify 0");
      expect(machine.function.counters().violations).toBeGreaterThanOrEqual(3);
      expect(machine.slot.lines.length).toBeLessThanOrEqual(8);
    });

    test("2.9: notifications before DRIVER_OK are ignored", () => {
      const machine = bench(transport, echo);
      machine.probe().notify(0);
      expect(machine.device.log).toEqual([]);
    });

    test("a snapshot with a request in flight goes on in another machine", () => {
      const first = bench(transport, echo);
      const driver = first.start();
      first.memory.view(driver.end, 4).set([9, 8, 7, 6]);
      const [queue] = driver.queues;
      for (let round = 0; round < 20; round++) {
        queue!.add([
          { gpa: driver.end, length: 4 },
          { gpa: driver.end + 16, length: 4, writable: true },
        ]);
        driver.kick(0);
        first.device.finish();
        queue!.take();
      }
      driver.transport.takeInterrupts();
      queue!.add([
        { gpa: driver.end, length: 4 },
        { gpa: driver.end + 32, length: 4, writable: true },
      ]);
      driver.kick(0);
      first.device.activation!.configChanged();
      const state = structuredClone(first.function.save());

      const second = bench(transport, echo);
      second.memory.bytes.set(first.memory.bytes);
      if (transport === "pci") second.probe();
      second.function.restore(state);
      expect(second.level).toBe(true);
      expect(second.function.save()).toEqual(state);
      expect(second.device.held).toHaveLength(1);
      second.device.finish();
      expect([...second.memory.view(driver.end + 32, 4)]).toEqual([9, 8, 7, 6]);
      const used = second.memory.data.getUint16(queue!.used - second.memory.base + 2, true);
      expect(used).toBe(21);
    });

    test("a snapshot with other queues, features or version is refused", () => {
      const machine = bench(transport, echo);
      const state = machine.function.save();
      expect(() => machine.function.restore({ ...state, queues: [] })).toThrow(TypeError);
      expect(() => machine.function.restore({ ...state, driverFeatures: 1n << 50n })).toThrow(TypeError);
      expect(() => machine.function.restore({ ...state, version: 9 })).toThrow(
        expect.objectContaining({ code: "ERR_SNAPSHOT_VERSION" }),
      );
      expect(machine.function.save()).toEqual(state);
    });
  });
}

describe("virtio-mmio registers (section 4.2.2)", () => {
  test("identification, shared memory, widths", () => {
    const { bus } = bench("mmio", echo);
    expect(bus.read(MMIO, 4)).toBe(0x74726976);
    expect(bus.read(MMIO + 4, 4)).toBe(2);
    expect(bus.read(MMIO + 0xb0, 4)).toBe(0xffffffff);
    expect(bus.read(MMIO, 1)).toBe(0);
    bus.write(MMIO + 0x70, 1, 1);
    expect(bus.read(MMIO + 0x70, 4)).toBe(0);
    bus.write(MMIO + 0x14, 4, 2);
    expect(bus.read(MMIO + 0x10, 4)).toBe(0);
  });

  test("QueueReady written with zero stops a queue", () => {
    const machine = bench("mmio", echo);
    const driver = machine.start();
    machine.bus.write(MMIO + 0x30, 4, 0);
    expect(machine.bus.read(MMIO + 0x44, 4)).toBe(1);
    machine.bus.write(MMIO + 0x44, 4, 0);
    expect(machine.bus.read(MMIO + 0x44, 4)).toBe(0);
    driver.queues[0]!.add([{ gpa: driver.end, length: 4 }]);
    driver.transport.notify(0);
    expect(machine.device.held).toEqual([]);
  });

  test("a queue can't be moved while it is ready", () => {
    const machine = bench("mmio", echo);
    machine.start();
    machine.bus.write(MMIO + 0x30, 4, 0);
    machine.bus.write(MMIO + 0x80, 4, 0);
    machine.bus.write(MMIO + 0x38, 4, 2);
    expect(machine.function.counters().violations).toBe(2);
  });
});

import { describe, expect, test } from "vitest";
import {
  MemoryMappedBus,
  PciConfigSpace,
  type PciFunction,
  PciHost,
  virtioPci,
  virtioRng,
} from "../src/index.ts";
import { pciTransport } from "../src/testing/index.ts";
import { testSlot, wires } from "./wires.ts";

const ECAM = 0x3000_0000;
const WINDOW = 0x4000_0000;
const DEVICE = 0x8000;

/** A function with one register in each of two BARs. */
function registers(sizes: readonly [number, number] = [0x1000, 0x10]) {
  const config = new PciConfigSpace({
    vendor: 0x1234,
    device: 0x5678,
    subsystemVendor: 1,
    subsystem: 2,
    revision: 3,
    classCode: 0xff0000,
  });
  config.addBar(0, sizes[0]);
  config.addBar(2, sizes[1]);
  const log: string[] = [];
  const occupant: PciFunction & { readonly log: string[] } = {
    config,
    log,
    barRead(bar, offset, size) {
      log.push(`r${bar}+${offset}/${size}`);
      return bar * 100 + offset;
    },
    barWrite: (bar, offset, size, value) => void log.push(`w${bar}+${offset}/${size}=${value}`),
    reset: () => void log.push("reset"),
    save: () => ({ version: 1 }),
    restore: () => {},
    counters: () => ({}),
  };
  return occupant;
}

function setup() {
  const pins = wires(4);
  const [a, b, c, d] = pins.lines;
  const host = new PciHost({ window: { base: WINDOW, size: 0x100000 }, lines: [a!, b!, c!, d!] });
  const bus = new MemoryMappedBus();
  bus.add(ECAM, host.ecamSize, host.ecam);
  bus.add(WINDOW, 0x100000, host.memory);
  return { host, bus, pins };
}

describe("PCI host bridge", () => {
  test("PCIe 4.0, 7.2.2: ECAM; absent devices and functions read as all ones", () => {
    const { host, bus } = setup();
    host.add("one", () => registers());
    host.add("two", () => registers());
    expect(bus.read(ECAM + DEVICE, 4)).toBe(0x5678_1234);
    expect(bus.read(ECAM + DEVICE + 2, 2)).toBe(0x5678);
    expect(bus.read(ECAM + DEVICE + 0x0b, 1)).toBe(0xff);
    for (const absent of [2 * DEVICE, 31 * DEVICE, 0x1000, 7 * 0x1000]) {
      expect([bus.read(ECAM + absent, 4), bus.read(ECAM + absent, 2), bus.read(ECAM + absent, 1)]).toEqual([
        0xffffffff, 0xffff, 0xff,
      ]);
      bus.write(ECAM + absent, 4, 0);
    }
    expect(bus.read(ECAM + 0x100, 4)).toBe(0);
    expect(bus.read(ECAM + 0xffc, 4)).toBe(0);
  });

  test("PCI 3.0, 6.2.5.1: a BAR tells its size; read-only bits stay", () => {
    const { host, bus } = setup();
    host.add("one", () => registers());
    const sizes: number[] = [];
    for (let bar = 0; bar < 6; bar++) {
      bus.write(ECAM + 0x10 + bar * 4, 4, 0xffffffff);
      sizes.push(bus.read(ECAM + 0x10 + bar * 4, 4));
    }
    expect(sizes).toEqual([0xfffff000, 0, 0xfffffff0, 0, 0, 0]);
    bus.write(ECAM, 4, 0);
    expect(bus.read(ECAM, 4)).toBe(0x5678_1234);
    bus.write(ECAM + 4, 2, 0xffff);
    expect(bus.read(ECAM + 4, 2)).toBe(0x0506);
    bus.write(ECAM + 0x3c, 1, 0x2a);
    expect(bus.read(ECAM + 0x3c, 2)).toBe(0x012a);
  });

  test("PCI 3.0, 6.2.2: a BAR answers only while memory decoding is on, at the address given", () => {
    const { host, bus } = setup();
    const device = host.add("one", () => registers());
    bus.write(ECAM + 0x10, 4, WINDOW + 0x3000);
    bus.write(ECAM + 0x18, 4, WINDOW + 0x80);
    expect(bus.read(WINDOW + 0x3004, 4)).toBe(0);
    bus.write(ECAM + 4, 2, 2);
    expect(bus.read(WINDOW + 0x3004, 4)).toBe(4);
    expect(bus.read(WINDOW + 0x84, 2)).toBe(204);
    bus.write(WINDOW + 0x8f, 1, 7);
    expect(bus.read(WINDOW + 0x90, 4)).toBe(0);
    bus.write(ECAM + 0x18, 4, WINDOW + 0x100);
    expect(bus.read(WINDOW + 0x84, 2)).toBe(0);
    bus.write(ECAM + 4, 2, 0);
    expect(bus.read(WINDOW + 0x3004, 4)).toBe(0);
    expect(device.log).toEqual(["r0+4/4", "r2+4/2", "w2+15/1=7"]);
    expect(host.counters().unmapped).toBe(4);
  });

  test("of overlapping BARs the lower device answers; one outside the window is not reachable", () => {
    const { host, bus } = setup();
    const one = host.add("one", () => registers());
    const two = host.add("two", () => registers());
    for (const device of [0, DEVICE]) {
      bus.write(ECAM + device + 0x10, 4, WINDOW + 0x1000);
      bus.write(ECAM + device + 4, 2, 2);
    }
    bus.read(WINDOW + 0x1000, 4);
    expect([one.log.length, two.log.length]).toEqual([1, 0]);
    bus.write(ECAM + 0x10, 4, 0xfffff000);
    bus.read(WINDOW + 0x1000, 4);
    expect([one.log.length, two.log.length]).toEqual([1, 1]);
  });

  test("INTx: swizzled by slot, shared, gated by the command register, shown in the status register", () => {
    const { host, bus, pins } = setup();
    const lines = ["a", "b", "c", "d", "e"].map((name) => {
      let line: { set(level: boolean): void } | undefined;
      host.add(name, (irq) => {
        line = irq;
        return registers();
      });
      return line!;
    });
    lines[1]!.set(true);
    expect(pins.levels).toEqual([false, true, false, false]);
    expect(bus.read(ECAM + DEVICE + 6, 2) & 8).toBe(8);
    lines[0]!.set(true);
    lines[4]!.set(true);
    lines[0]!.set(false);
    expect(pins.levels).toEqual([true, true, false, false]);
    bus.write(ECAM + 4 * DEVICE + 4, 2, 0x400);
    expect(pins.levels).toEqual([false, true, false, false]);
    expect(bus.read(ECAM + 4 * DEVICE + 6, 2) & 8).toBe(8);
    bus.write(ECAM + 4 * DEVICE + 4, 2, 0);
    expect(pins.levels[0]).toBe(true);
    lines[4]!.set(false);
    expect(pins.levels[0]).toBe(false);
  });

  test("device tree: the window, and an interrupt map that agrees with the swizzle", () => {
    const { host } = setup();
    const node = host.devicetree({ phandle: 9, sources: [32, 33, 34, 35] });
    expect(node.compatible).toBe("pci-host-ecam-generic");
    expect(node.ranges).toEqual([0x0200_0000, 0, WINDOW, 0, WINDOW, 0, 0x100000]);
    const map = node["interrupt-map"] as number[];
    expect(map).toHaveLength(16 * 6);
    const entries = Array.from({ length: 16 }, (_, index) => map.slice(index * 6, index * 6 + 6));
    expect(entries.find(([slot, , , pin]) => slot === 3 << 11 && pin === 1)).toEqual([
      3 << 11,
      0,
      0,
      1,
      9,
      35,
    ]);
    expect(entries.find(([slot, , , pin]) => slot === 3 << 11 && pin === 2)).toEqual([
      3 << 11,
      0,
      0,
      2,
      9,
      32,
    ]);
  });

  test("32 slots", () => {
    const { host } = setup();
    for (let index = 0; index < 32; index++) host.add(`device ${index}`, () => registers());
    expect(() => host.add("one more", () => registers())).toThrow(/one more/);
    const [a, b, c, d] = wires(4).lines;
    const lines = [a!, b!, c!, d!] as const;
    expect(() => new PciHost({ window: { base: 0xfff0_0000, size: 0x200000 }, lines })).toThrow(RangeError);
  });

  test("reset and snapshot take the configuration with them", () => {
    const first = setup();
    first.host.add("one", () => registers());
    first.bus.write(ECAM + 0x10, 4, WINDOW + 0x3000);
    first.bus.write(ECAM + 4, 2, 2);
    const state = structuredClone(first.host.save());
    const second = setup();
    const device = second.host.add("one", () => registers());
    second.host.restore(state);
    expect(second.bus.read(WINDOW + 0x3008, 4)).toBe(8);
    expect(second.host.save()).toEqual(state);
    second.host.reset();
    expect(device.log).toContain("reset");
    expect(second.bus.read(ECAM + 0x10, 4)).toBe(0);
    expect(second.bus.read(WINDOW + 0x3008, 4)).toBe(0);
  });

  test("VIRTIO 1.2, 4.1.4.9: the configuration access capability reaches BAR 0", () => {
    const { host, bus } = setup();
    const slot = testSlot();
    host.add("rng", (irq) => virtioPci({ ...slot, irq }, virtioRng()(slot)));
    pciTransport(bus, { ecam: ECAM, device: 0, window: WINDOW });
    let capability = bus.read(ECAM + 0x34, 1);
    while (capability !== 0 && bus.read(ECAM + capability + 3, 1) !== 5)
      capability = bus.read(ECAM + capability + 1, 1);
    const at = ECAM + capability;
    expect(bus.read(at + 2, 1)).toBe(20);
    bus.write(at + 4, 1, 0);
    bus.write(at + 8, 4, 0x14);
    bus.write(at + 12, 4, 1);
    bus.write(at + 16, 1, 1);
    expect(bus.read(WINDOW + 0x14, 1)).toBe(1);
    bus.write(at + 8, 4, 0x12);
    bus.write(at + 12, 4, 2);
    expect(bus.read(at + 16, 2)).toBe(1);
    for (const [offset, length] of [
      [0xffff_fffc, 4],
      [2, 4],
      [0, 3],
      [0, 0],
    ] as const) {
      bus.write(at + 8, 4, offset);
      bus.write(at + 12, 4, length);
      bus.write(at + 16, 4, 0xffffffff);
      bus.read(at + 16, 4);
    }
    expect(bus.read(WINDOW + 0x14, 1)).toBe(1);
  });
});

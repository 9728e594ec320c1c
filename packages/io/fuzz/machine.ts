import type { MmioDevice, Snapshottable, VirtioDevice } from "@isomorph/interface";
import {
  Clint,
  goldfishRtc,
  MemoryMappedBus,
  memoryNetwork,
  PciHost,
  Plic,
  type SerialPort,
  Sswi,
  sifiveTest,
  type Uart16550,
  uart16550,
  type VirtioConsole,
  virtioBlk,
  virtioConsole,
  virtioMmio,
  virtioNet,
  virtioPci,
  virtioRng,
  virtioSerialPorts,
} from "../src/index.ts";
import {
  type Driver,
  mmioTransport,
  pciTransport,
  startDriver,
  type TestMemory,
  testMemory,
} from "../src/testing/index.ts";
import { ramDisk } from "../test/ram-disk.ts";
import { testSlot, wires } from "../test/wires.ts";

const ECAM = 0x3000_0000;
const WINDOW = 0x4000_0000;
const WINDOW_SIZE = 0x100000;

/** A device's place, and the offsets near which its registers are. */
export interface FuzzRegion {
  readonly base: number;
  readonly size: number;
  readonly hot: readonly number[];
}

/** A machine with every device that there is, for fuzzing. */
export interface FuzzMachine {
  readonly bus: MemoryMappedBus;
  readonly memory: TestMemory;
  /** Where the devices are. */
  readonly regions: readonly FuzzRegion[];
  readonly uart: Uart16550;
  readonly consoles: readonly VirtioConsole[];
  readonly ports: readonly SerialPort[];
  /** Drivers of the virtio devices, freshly initialised each time it is called. */
  start(index: number): Driver | undefined;
  readonly virtioDevices: number;
  /** Sends a frame to the guests. */
  frame(bytes: Uint8Array): void;
  /** Moves the clocks. */
  tick(ticks: number): void;
  reset(): void;
  /** Snapshot of everything, as a tree. */
  save(): unknown;
  /** What can be saved and restored. */
  readonly parts: readonly Snapshottable[];
  /** The counters of all parts, added up by name. */
  counters(): { readonly [name: string]: number };
}

/** A disk whose calls end in later turns of the event loop, some of them in failure. */
function asyncDisk(size: number) {
  const disk = ramDisk(size);
  let calls = 0;
  const later =
    <A extends unknown[]>(call: (...args: A) => unknown) =>
    async (...args: A): Promise<void> => {
      for (let turn = ++calls % 4; turn > 0; turn--) await null;
      if (calls % 7 === 0) throw Object.assign(new Error("disk"), { code: "EIO" });
      call(...args);
    };
  const { calls: log } = disk;
  const clip = <A extends unknown[]>(call: (...args: A) => unknown) =>
    later((...args: A) => {
      if (log.length > 1000) log.length = 0;
      return call(...args);
    });
  return {
    ...disk,
    copiesAtOnce: false,
    read: clip(disk.read),
    write: clip(disk.write),
    flush: clip(disk.flush),
    discard: clip(disk.discard),
    writeZeroes: clip(disk.writeZeroes),
  };
}

export function fuzzMachine(): FuzzMachine {
  const bus = new MemoryMappedBus();
  const memory = testMemory(1 << 18);
  const { markDirty } = memory;
  memory.markDirty = (gpa, length) => {
    if (!(length >= 0) || !Number.isInteger(gpa)) throw new RangeError(`markDirty(${gpa}, ${length})`);
    if (memory.dirty.length > 10_000) memory.dirty.length = 0;
    markDirty(gpa, length);
  };
  const regions: FuzzRegion[] = [];
  const map = (base: number, size: number, device: MmioDevice, hot: readonly number[] = [0]): void => {
    bus.add(base, size, device);
    regions.push({ base, size, hot });
  };
  const clock = { frequency: 1e7, ticks: 0, now: () => clock.ticks };
  const plic = new Plic({ sources: 63, contexts: wires(4).lines });
  const clint = new Clint({ clock, software: wires(2).lines, timer: wires(2).lines });
  const sswi = new Sswi(2, () => {});
  const slot = (source: number) => ({ ...testSlot(memory), irq: plic.source(source) });
  const uart = uart16550({ outputLimit: 4096 })(slot(1));
  let wall = 1.7e12;
  const alarms = new Set<() => void>();
  const rtc = goldfishRtc({
    now: () => wall,
    schedule(callback) {
      alarms.add(callback);
      return () => void alarms.delete(callback);
    },
  })(slot(2));
  const finisher = sifiveTest({ onPowerOff: () => {}, onReset: () => {} });
  map(0x0200_0000, clint.size, clint, [0, 0x4000, 0xbff0]);
  map(0x0300_0000, 0x4000, sswi);
  map(0x0c00_0000, plic.size, plic, [0, 0x1000, 0x2000, 0x2080, 0x200000, 0x201000]);
  map(0x1000_0000, uart.size, uart);
  map(0x1001_0000, rtc.size, rtc);
  map(0x1002_0000, finisher.size, finisher);

  const network = memoryNetwork();
  const host = network.port();
  const consoles: VirtioConsole[] = [];
  const ports: SerialPort[] = [];
  const disks = [asyncDisk(1 << 16), ramDisk(1 << 16)];
  const synchronous = disks[1] as ReturnType<typeof ramDisk>;
  const factories: (() => VirtioDevice & { counters(): { readonly [name: string]: number } })[] = [
    () => virtioBlk({ backend: disks[0]!, inFlight: 8, queueSize: 16 })(slot(3)),
    () => virtioBlk({ backend: synchronous, queues: 2, queueSize: 8 })(slot(4)),
    () => {
      const device = virtioConsole({ outputLimit: 4096 })(slot(5));
      consoles.push(device);
      return device;
    },
    () => virtioRng({ source: (target) => void target.fill(0x5a) })(slot(6)),
    () => {
      const device = virtioSerialPorts({ names: ["port"] })(slot(8));
      ports.push(...device.ports);
      return device;
    },
    () => virtioNet({ port: network.port(), backlog: 8192, queueSize: 16 })(slot(7)),
  ];
  const starts: (() => Driver)[] = [];
  const devices: { counters(): { readonly [name: string]: number } }[] = [];
  const parts: (Snapshottable & { reset(): void; counters(): { readonly [name: string]: number } })[] = [];
  const queues = (index: number): number => memory.base + index * 0x4000;
  for (const [index, make] of factories.entries()) {
    const base = 0x1010_0000 + index * 0x1000;
    const device = make();
    devices.push(device);
    const transport = virtioMmio(slot(10 + index), device);
    map(base, transport.size, transport, [0, 0x70, 0x100]);
    parts.push(transport);
    starts.push(() =>
      startDriver(mmioTransport(bus, base), { memory, queues: queues(index), queueSize: 16 }),
    );
  }
  const pci = new PciHost({
    window: { base: WINDOW, size: WINDOW_SIZE },
    lines: [plic.source(32), plic.source(33), plic.source(34), plic.source(35)],
  });
  const slots = factories.map((_, index) => index * 0x8000);
  map(ECAM, pci.ecamSize, pci.ecam, [...slots, ...slots.map((slot) => slot + 0x40)]);
  const bars = factories.map((_, index) => index * 0x10000);
  map(
    WINDOW,
    WINDOW_SIZE,
    pci.memory,
    [0, 0x1000, 0x2000, 0x3000].flatMap((at) => bars.map((bar) => bar + at)),
  );
  for (const [index, make] of factories.entries()) {
    const device = make();
    devices.push(device);
    const place = pci.add(`device${index}`, (irq) => virtioPci({ ...slot(20), irq }, device));
    devices.push(place);
    const options = { ecam: ECAM, device: index, window: WINDOW + index * 0x10000 };
    const at = queues(factories.length + index);
    starts.push(() => startDriver(pciTransport(bus, options), { memory, queues: at, queueSize: 16 }));
  }
  parts.push(clint, plic, uart, rtc, finisher, pci);
  return {
    bus,
    memory,
    regions,
    uart,
    consoles,
    ports,
    virtioDevices: starts.length,
    start(index) {
      if (synchronous.calls.length > 1000) synchronous.calls.length = 0;
      try {
        return starts[index]?.();
      } catch (error) {
        // What the driver itself complains about is not the device's failure.
        if (error instanceof Error && error.constructor === Error) return undefined;
        throw error;
      }
    },
    frame: (bytes) => void host.send(bytes),
    tick(ticks) {
      clock.ticks += ticks;
      clint.mtimer.poll(clock.ticks);
      wall += ticks;
      for (const callback of [...alarms]) {
        alarms.delete(callback);
        callback();
      }
    },
    reset() {
      for (const part of parts) part.reset();
    },
    parts,
    save: () => parts.map((part) => part.save()),
    counters() {
      const sums: { [name: string]: number } = {};
      for (const part of [...parts, ...devices]) {
        for (const [name, count] of Object.entries(part.counters())) sums[name] = (sums[name] ?? 0) + count;
      }
      return sums;
    },
  };
}

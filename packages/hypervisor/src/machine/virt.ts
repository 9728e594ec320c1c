import type { Hart, Processor, ProcessorFactory } from "@isomorph/cpu";
import type { Device, IrqLine, Log, MaybePromise, MmioBus, PlatformDevice } from "@isomorph/interface";
import { type Clint, clint, goldfishRtc, MemoryMappedBus, Plic, sifiveTest } from "@isomorph/io";
import type { Timebase } from "../clock.ts";
import type { DeviceFactories } from "../config.ts";
import type { PlatformTimer } from "../dispatcher/contract.ts";
import type { VmOutcome } from "../outcome.ts";
import { Allocator } from "./allocator.ts";
import { type PlacedDevice, plicContexts } from "./devicetree.ts";
import { IRQ, MEMORY_MAP, MORE_PLATFORM, type Window } from "./memory-map.ts";
import { pciTransports } from "./pci.ts";
import { mmioTransports, type Transports } from "./transports.ts";
import { isUart } from "./uart-console.ts";
import { Wire } from "./wire.ts";

/** What a machine is built from. */
export interface MachineOptions {
  readonly cpu: ProcessorFactory;
  readonly harts: number;
  /** Whether harts run in threads of their own. */
  readonly threads: boolean;
  readonly memory: number;
  /** Whether M-mode firmware runs. */
  readonly hasFirmware: boolean;
  readonly devices: DeviceFactories;
  readonly transport: "pci" | "mmio";
  readonly clock: Timebase;
  /** What the real-time clock shows: milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Log;
  /** A hart accesses a device. */
  readonly onaccess: () => void;
  /** An interrupt input of a hart was raised. */
  readonly oninterrupt: (hart: number, urgent: boolean) => void;
  /** The guest switched the machine off or asked for a reset. */
  readonly onend: (outcome: VmOutcome) => void;
  /** Registers work for the machine's close. */
  readonly defer: (cleanup: () => MaybePromise<void>) => void;
}

const MACHINE_SOFTWARE = 3;
const MACHINE_TIMER = 7;

/** Supervisor software, machine software: sent by another hart, which may be waiting for the answer. */
const isFromHart = (cause: number) => cause === 1 || cause === MACHINE_SOFTWARE;

/** The machine "virt": its parts, wired up, without images and without anyone to drive it. */
export class VirtMachine {
  readonly processor: Processor;
  /** The embedder's devices by name. */
  readonly devices: Readonly<Record<string, Device>>;
  /** The first UART. */
  readonly uart: PlatformDevice | undefined;
  /** Timers that the dispatcher must keep. */
  readonly timers: readonly PlatformTimer[];
  readonly plic: PlacedDevice;
  readonly clint: PlacedDevice | undefined;
  readonly test: PlacedDevice;
  /** What else is at the bus, in the order of the device tree. */
  readonly placed: readonly PlacedDevice[];
  readonly transports: Transports;
  readonly bus: MemoryMappedBus = new MemoryMappedBus();
  readonly #allocator: Allocator = new Allocator(IRQ.sources, IRQ.others);
  readonly #options: MachineOptions;
  readonly #plic: Plic;
  readonly #resettable: { reset(): void }[] = [];

  constructor(options: MachineOptions) {
    this.#options = options;
    const { clock, log, harts, hasFirmware } = options;
    this.processor = options.cpu({
      memoryBase: MEMORY_MAP.ram,
      memorySize: options.memory,
      harts,
      bus: observedBus(this.bus, options.onaccess),
      clock,
      firmware: hasFirmware ? "guest" : "vmm",
      log,
      threads: options.threads,
    });
    options.defer(() => this.processor.close());
    const { harts: cores } = this.processor;

    const contexts = cores.flatMap((hart) =>
      plicContexts(hasFirmware).map((cause) => this.#input(hart, cause)),
    );
    this.#plic = new Plic({ sources: IRQ.sources, contexts });
    this.plic = this.#place(this.#plic, { ...MEMORY_MAP.plic, size: this.#plic.size }, undefined);

    const timer = hasFirmware
      ? clint({
          clock,
          software: cores.map((hart) => this.#input(hart, MACHINE_SOFTWARE)),
          timer: cores.map((hart) => this.#input(hart, MACHINE_TIMER)),
        })
      : undefined;
    this.clint = timer && this.#place(timer, MEMORY_MAP.clint, undefined);
    this.timers = timer === undefined ? [] : machineTimers(timer, harts, clock);

    const finisher = sifiveTest({
      onPowerOff: (code) => options.onend({ reason: "power-off", code }),
      onReset: () => options.onend({ reason: "reset" }),
    });
    this.test = this.#place(finisher, MEMORY_MAP.test, undefined);

    const rtcWire = new Wire();
    const rtc = goldfishRtc({ now: options.wallClock })(this.#slot("rtc", rtcWire));
    const rtcPlaced = this.#place(rtc, MEMORY_MAP.rtc, this.#connect(rtcWire, IRQ.rtc, "rtc"));

    this.transports =
      options.transport === "pci"
        ? pciTransports(this.bus, this.#allocator, (source) => this.#plic.source(source))
        : mmioTransports((name, device, wire) => this.#placeVirtioMmio(name, device, wire));
    const devices: Record<string, Device> = {};
    const placed: PlacedDevice[] = [];
    let uart: PlatformDevice | undefined;
    for (const [name, factory] of Object.entries(options.devices)) {
      const wire = new Wire();
      const slot = this.#slot(name, wire);
      const device = factory(slot);
      devices[name] = device;
      if (device.bus === "platform") {
        if (isUart(device)) uart ??= device;
        placed.push(this.#placePlatform(name, device, wire));
      } else {
        this.transports.attach(slot, device, wire);
      }
    }
    this.devices = devices;
    this.uart = uart;
    this.placed = [...placed, ...this.transports.placed, rtcPlaced];
    this.#resettable.push(this.transports);
  }

  /** Power-on state of everything but the harts. */
  reset(): void {
    for (const part of this.#resettable) part.reset();
  }

  /** An interrupt input of a hart. */
  #input(hart: Hart, cause: number): IrqLine {
    const { oninterrupt } = this.#options;
    const urgent = isFromHart(cause);
    return {
      set(level) {
        hart.setInterrupt(cause, level);
        if (level) oninterrupt(hart.id, urgent);
      },
    };
  }

  #slot(name: string, irq: IrqLine) {
    const { log, defer } = this.#options;
    const deviceLog: Log = (level, message) => log(level, `${name}: ${message}`);
    return { name, memory: this.processor.memory, irq, log: deviceLog, defer };
  }

  /** Connects a wire to an interrupt source and returns its number. */
  #connect(wire: Wire, wanted: number | undefined, name: string): number {
    const source = this.#allocator.source(wanted, name);
    wire.connect(this.#plic.source(source));
    return source;
  }

  #place(device: PlatformDevice, window: Window, source: number | undefined): PlacedDevice {
    this.#allocator.claim(window, device.nodeName);
    this.bus.add(window.base, window.size, device, device.nodeName);
    this.#resettable.push(device);
    return { device, window, source };
  }

  #placePlatform(name: string, device: PlatformDevice, wire: Wire): PlacedDevice {
    const { platform } = MEMORY_MAP;
    const isFirst = device.size <= platform.size && this.#allocator.isFree(platform);
    const window = isFirst
      ? this.#allocator.claim(platform, name)
      : this.#allocator.window(MORE_PLATFORM, device.size, name);
    const source = device.interrupts
      ? this.#connect(wire, isFirst ? IRQ.platform : undefined, name)
      : undefined;
    this.bus.add(window.base, device.size, device, name);
    this.#resettable.push(device);
    return { device, window: { base: window.base, size: device.size }, source };
  }

  #placeVirtioMmio(name: string, device: PlatformDevice, wire: Wire): PlacedDevice {
    const window = this.#allocator.window(MEMORY_MAP.virtioMmio, device.size, name);
    const slot = (window.base - MEMORY_MAP.virtioMmio.base) / device.size;
    const source = this.#connect(wire, slot < 8 ? IRQ.virtioMmio + slot : undefined, name);
    this.bus.add(window.base, device.size, device, name);
    return { device, window, source };
  }
}

/** The bus as the harts see it: `onaccess` hears of what goes over it. */
function observedBus(bus: MmioBus, onaccess: () => void): MmioBus {
  return {
    covers: (gpa, size) => bus.covers(gpa, size),
    read(gpa, size) {
      onaccess();
      return bus.read(gpa, size);
    },
    write(gpa, size, value) {
      onaccess();
      bus.write(gpa, size, value);
    },
    read64(gpa) {
      onaccess();
      return bus.read64(gpa);
    },
    write64(gpa, value) {
      onaccess();
      bus.write64(gpa, value);
    },
  };
}

/** `mtimecmp` of each hart, as the dispatcher keeps timers. */
function machineTimers(device: Clint, harts: number, clock: Timebase): readonly PlatformTimer[] {
  const { mtimer } = device;
  return Array.from({ length: harts }, (_, hart) => ({
    get deadline() {
      return mtimer.nextDeadline(hart);
    },
    expire: () => mtimer.poll(clock.now()),
  }));
}

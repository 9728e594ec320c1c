import type {
  DevicetreeValue,
  IrqLine,
  MmioDevice,
  MmioSize,
  SnapshotState,
  Snapshottable,
  SnapshotValue,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { sharedLine } from "../interrupt/shared-line.ts";
import { checkVersion, stateField } from "../snapshot.ts";
import { PCI, PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_MEMORY, type PciConfigSpace } from "./config-space.ts";

const DEVICES = 32;
const FUNCTION_SPACE = 0x1000;
const DEVICE_SPACE = 8 * FUNCTION_SPACE;
const BARS = 6;

/** A PCI function as the host bridge sees it. Accesses to a BAR come with the offset in it. */
export interface PciFunction extends Snapshottable {
  readonly config: PciConfigSpace;
  /** Called for a configuration read instead of {@link PciConfigSpace.read}, when there is more to it. */
  configRead?(offset: number, size: MmioSize): number;
  /** Called after a configuration write reached {@link config}. */
  configWritten?(offset: number, size: MmioSize): void;
  barRead(bar: number, offset: number, size: MmioSize): number;
  barWrite(bar: number, offset: number, size: MmioSize, value: number): void;
  reset(): void;
  counters(): Counters;
}

/** What a {@link PciHost} is made of. */
export interface PciHostOptions {
  /** GPA range in which the guest places BARs: below 4 GiB, the same address on the bus as in memory. */
  readonly window: { readonly base: number; readonly size: number };
  /** The wires of INTA to INTD, in this order. */
  readonly lines: readonly [IrqLine, IrqLine, IrqLine, IrqLine];
}

/** How the interrupt wires of a {@link PciHost} reach an interrupt controller, for the device tree. */
export interface PciInterruptRoute {
  /** The controller's phandle. */
  readonly phandle: number;
  /** The controller's interrupt numbers of INTA to INTD; one cell each. */
  readonly sources: readonly [number, number, number, number];
}

interface Seat {
  readonly device: number;
  readonly name: string;
  readonly wire: IrqLine;
  level: boolean;
  occupant: PciFunction | undefined;
}

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly bar: number;
  readonly occupant: PciFunction;
}

/**
 * A generic PCI host bridge (`pci-host-ecam-generic`): one bus with up to 32 single-function devices, an ECAM
 * region of 1 MiB (PCI Express Base Specification 4.0, section 7.2.2), one window of 32-bit memory, INTx only.
 *
 * The guest sizes and places the BARs. A BAR outside the window is not reachable; of two that overlap the one with
 * the lower device number answers. Device `d` drives INTA of its slot, which is wire `d mod 4` of the host.
 */
export class PciHost implements Snapshottable {
  /** Generic node name. */
  readonly nodeName: string = "pci";
  /** Bytes of the ECAM region. */
  readonly ecamSize: number = DEVICES * DEVICE_SPACE;
  readonly window: { readonly base: number; readonly size: number };
  readonly #inputs: readonly (() => IrqLine)[];
  readonly #seats: Seat[] = [];
  #mappings: Mapping[] = [];
  #last: Mapping | undefined;
  #configAccesses = 0;
  #unmapped = 0;

  constructor(options: PciHostOptions) {
    const { base, size } = options.window;
    if (!(base >= 0) || !(size > 0) || base % 4096 !== 0 || size % 4096 !== 0 || base + size > 2 ** 32) {
      throw new RangeError(`pci: window of ${size} bytes at ${base}`);
    }
    this.window = { base, size };
    this.#inputs = options.lines.map((line) => sharedLine(line));
  }

  /**
   * Puts a function into the next free slot: `make` gets the slot's interrupt wire.
   *
   * @throws RangeError when all 32 slots are taken.
   */
  add<F extends PciFunction>(name: string, make: (irq: IrqLine) => F): F {
    const device = this.#seats.length;
    if (device >= DEVICES) throw new RangeError(`pci: no slot left for ${name}`);
    const input = this.#inputs[device % 4] as () => IrqLine;
    const seat: Seat = { device, name, wire: input(), level: false, occupant: undefined };
    const occupant = make({
      set: (level) => {
        seat.level = level;
        drive(seat);
      },
    });
    seat.occupant = occupant;
    this.#seats.push(seat);
    return occupant;
  }

  /** The ECAM region. */
  readonly ecam: MmioDevice = {
    mmioRead: (offset, size) => {
      const register = offset & (FUNCTION_SPACE - 1);
      const occupant = this.#seat(offset)?.occupant;
      this.#configAccesses++;
      // An absent function reads as all ones.
      if (occupant === undefined) return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
      return occupant.configRead?.(register, size) ?? occupant.config.read(register, size);
    },
    mmioWrite: (offset, size, value) => {
      const register = offset & (FUNCTION_SPACE - 1);
      const seat = this.#seat(offset);
      this.#configAccesses++;
      if (seat?.occupant === undefined) return;
      seat.occupant.config.write(register, size, value);
      if (register < PCI.BAR0 + BARS * 4) {
        drive(seat);
        this.#map();
      }
      seat.occupant.configWritten?.(register, size);
    },
  };

  /** The memory window. */
  readonly memory: MmioDevice = {
    mmioRead: (offset, size) => {
      const address = this.window.base + offset;
      const mapping = this.#find(address, size);
      return mapping === undefined ? 0 : mapping.occupant.barRead(mapping.bar, address - mapping.start, size);
    },
    mmioWrite: (offset, size, value) => {
      const address = this.window.base + offset;
      const mapping = this.#find(address, size);
      mapping?.occupant.barWrite(mapping.bar, address - mapping.start, size, value);
    },
  };

  /** Node properties without `reg`, which is the ECAM region (IEEE 1275 PCI bus binding; `pci-host-ecam-generic`). */
  devicetree(route: PciInterruptRoute): { readonly [property: string]: DevicetreeValue } {
    const { base, size } = this.window;
    const map: number[] = [];
    for (let device = 0; device < 4; device++) {
      for (let pin = 1; pin <= 4; pin++) {
        const source = route.sources[(device + pin - 1) % 4] as number;
        map.push(device << 11, 0, 0, pin, route.phandle, source);
      }
    }
    return {
      compatible: "pci-host-ecam-generic",
      device_type: "pci",
      "#address-cells": 3,
      "#size-cells": 2,
      "#interrupt-cells": 1,
      "bus-range": [0, 0],
      "dma-coherent": true,
      ranges: [0x0200_0000, 0, base, 0, base, 0, size],
      "interrupt-map-mask": [0x1800, 0, 0, 7],
      "interrupt-map": map,
    };
  }

  reset(): void {
    for (const seat of this.#seats) {
      seat.occupant?.reset();
      seat.occupant?.config.reset();
      drive(seat);
    }
    this.#map();
  }

  save(): SnapshotState {
    const functions: { [name: string]: SnapshotValue } = {};
    for (const { name, occupant } of this.#seats) {
      if (occupant !== undefined) {
        functions[name] = { version: 1, config: occupant.config.save(), state: occupant.save() };
      }
    }
    return { version: 1, functions: { version: 1, ...functions } };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "pci");
    const functions = stateField(state, "functions");
    for (const seat of this.#seats) {
      const saved = stateField(functions, seat.name);
      const config = saved.config;
      if (!(config instanceof Uint8Array))
        throw new TypeError(`snapshot of ${seat.name} has no configuration space`);
      seat.occupant?.config.restore(config);
      seat.occupant?.restore(stateField(saved, "state"));
      drive(seat);
    }
    this.#map();
  }

  /** `configAccesses`: to the ECAM region; `unmapped`: accesses to the window where no BAR is. */
  counters(): Counters {
    return { configAccesses: this.#configAccesses, unmapped: this.#unmapped };
  }

  #seat(offset: number): Seat | undefined {
    if (offset % DEVICE_SPACE >= FUNCTION_SPACE) return undefined;
    return this.#seats[Math.floor(offset / DEVICE_SPACE)];
  }

  #map(): void {
    this.#last = undefined;
    this.#mappings = [];
    for (const { occupant } of this.#seats) {
      if (occupant === undefined || (occupant.config.command & PCI_COMMAND_MEMORY) === 0) continue;
      for (let bar = 0; bar < BARS; bar++) {
        const size = occupant.config.barSize(bar);
        const start = occupant.config.barAddress(bar);
        if (size > 0) this.#mappings.push({ start, end: start + size, bar, occupant });
      }
    }
  }

  #find(address: number, size: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.start && address + size <= last.end) return last;
    for (const mapping of this.#mappings) {
      if (address >= mapping.start && address + size <= mapping.end) {
        this.#last = mapping;
        return mapping;
      }
    }
    this.#unmapped++;
    return undefined;
  }
}

/** Makes a {@link PciHost}. */
export function pciHost(options: PciHostOptions): PciHost {
  return new PciHost(options);
}

function drive(seat: Seat): void {
  const config = seat.occupant?.config;
  const disabled = config !== undefined && (config.command & PCI_COMMAND_INTX_DISABLE) !== 0;
  if (config !== undefined) config.interruptStatus = seat.level;
  seat.wire.set(seat.level && !disabled);
}

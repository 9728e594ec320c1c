import type { VirtioDevice } from "@isomorph/interface";
import {
  MemoryMappedBus,
  PciHost,
  type VirtioMmio,
  type VirtioPci,
  virtioMmio,
  virtioPci,
} from "../src/index.ts";
import {
  type Driver,
  type DriverTransport,
  mmioTransport,
  pciTransport,
  startDriver,
  type TestMemory,
  testMemory,
} from "../src/testing/index.ts";
import { testSlot, wires } from "./wires.ts";

export const MMIO = 0x1000_1000;
const ECAM = 0x3000_0000;
const WINDOW = 0x4000_0000;

export interface Bench {
  readonly bus: MemoryMappedBus;
  readonly memory: TestMemory;
  readonly function: VirtioMmio | VirtioPci;
  readonly slot: ReturnType<typeof testSlot>;
  /** Level of the interrupt wire that reaches the interrupt controller. */
  readonly level: boolean;
  /** Finds the device and gives its registers. */
  probe(): DriverTransport;
  /** Initialises the device. */
  start(options?: { features?: bigint; queueSize?: number; queues?: number }): Driver;
}

export type Transport = "mmio" | "pci";
export const transports: readonly Transport[] = ["mmio", "pci"];

/** A device on a transport, on a bus, with RAM and a driver that has not started yet. */
export function bench<D extends VirtioDevice>(
  transport: Transport,
  make: (slot: ReturnType<typeof testSlot>) => D,
  memory: TestMemory = testMemory(1 << 20),
): Bench & { readonly device: D } {
  const bus = new MemoryMappedBus();
  const slot = testSlot(memory);
  const device = make(slot);
  let place: VirtioMmio | VirtioPci;
  let level = (): boolean => slot.level;
  if (transport === "mmio") {
    place = virtioMmio(slot, device);
    bus.add(MMIO, place.size, place);
  } else {
    const pins = wires(4);
    const [a, b, c, d] = pins.lines;
    const host = new PciHost({ window: { base: WINDOW, size: 0x1000_0000 }, lines: [a!, b!, c!, d!] });
    place = host.add("device", (irq) => virtioPci({ ...slot, irq }, device));
    bus.add(ECAM, host.ecamSize, host.ecam);
    bus.add(WINDOW, 0x1000_0000, host.memory);
    level = () => pins.levels[0] ?? false;
  }
  const probe = (): DriverTransport =>
    transport === "mmio"
      ? mmioTransport(bus, MMIO)
      : pciTransport(bus, { ecam: ECAM, device: 0, window: WINDOW });
  return {
    bus,
    memory,
    device,
    function: place,
    slot,
    get level() {
      return level();
    },
    probe,
    start: (options = {}) => startDriver(probe(), { memory, queues: memory.base, ...options }),
  };
}

/** How far from the start of RAM a driver puts everything that it does beyond 4 GiB. */
export const BEYOND_4_GIB: number = 5 * 2 ** 30;

/** Waits until everything that is ready to run has run. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

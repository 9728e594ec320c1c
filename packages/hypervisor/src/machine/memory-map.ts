/** A range of guest physical addresses. */
export interface Window {
  readonly base: number;
  readonly size: number;
}

/**
 * The guest physical address space of the machine "virt": the layout of the board of the same name that guests of
 * other emulators expect.
 */
export const MEMORY_MAP: {
  readonly test: Window;
  readonly rtc: Window;
  readonly clint: Window;
  readonly plic: Window;
  readonly platform: Window;
  readonly virtioMmio: Window;
  readonly pciEcam: Window;
  readonly pciMemory: Window;
  /** Where RAM starts. */
  readonly ram: number;
} = {
  test: { base: 0x100000, size: 0x1000 },
  rtc: { base: 0x101000, size: 0x1000 },
  clint: { base: 0x2000000, size: 0x10000 },
  plic: { base: 0xc000000, size: 0x4000000 },
  /** Devices that the embedder lists, a page or more each; the first one, usually the UART, at the start. */
  platform: { base: 0x10000000, size: 0x1000 },
  virtioMmio: { base: 0x10001000, size: 0xf000 },
  pciEcam: { base: 0x30000000, size: 0x10000000 },
  pciMemory: { base: 0x40000000, size: 0x40000000 },
  ram: 0x80000000,
};

/** Where devices go for which {@link MEMORY_MAP} has no place of their own. */
export const MORE_PLATFORM: Window = { base: 0x10010000, size: 0xfff0000 };

/** Interrupt sources of the PLIC. */
export const IRQ: {
  readonly sources: number;
  readonly virtioMmio: number;
  readonly platform: number;
  readonly rtc: number;
  readonly pci: number;
  readonly others: number;
} = {
  sources: 95,
  /** The first of eight. */
  virtioMmio: 1,
  platform: 10,
  rtc: 11,
  /** INTA to INTD of the PCI host bridge. */
  pci: 32,
  /** The first that is given to whoever comes. */
  others: 36,
};

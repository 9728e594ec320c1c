import type { MmioSize } from "@isomorph/interface";

/** Offsets in the header of type 0 (PCI Local Bus Specification 3.0, section 6.1). */
export const PCI: {
  readonly COMMAND: 0x04;
  readonly STATUS: 0x06;
  readonly BAR0: 0x10;
  readonly CAPABILITIES: 0x34;
  readonly INTERRUPT_LINE: 0x3c;
  readonly INTERRUPT_PIN: 0x3d;
} = {
  COMMAND: 0x04,
  STATUS: 0x06,
  BAR0: 0x10,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
};

/** Bits of the command register that matter here. */
export const PCI_COMMAND_MEMORY = 0x0002;
export const PCI_COMMAND_INTX_DISABLE = 0x0400;
/** Bits of the status register. */
const STATUS_INTERRUPT = 0x0008;
const STATUS_CAPABILITIES = 0x0010;

/** Who a PCI function says it is. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  readonly revision: number;
  /** 24 bits: base class, sub-class, programming interface. */
  readonly classCode: number;
}

/**
 * The 256 bytes of configuration space of one function, header type 0. Each bit is read-only or writable; sizing a
 * BAR by writing ones to it follows from that.
 */
export class PciConfigSpace {
  readonly #bytes: Uint8Array = new Uint8Array(256);
  readonly #writable: Uint8Array = new Uint8Array(256);
  readonly #data: DataView = new DataView(this.#bytes.buffer);
  /** Bytes of each memory BAR; 0 where there is none. */
  readonly #barSizes: number[] = [0, 0, 0, 0, 0, 0];
  #nextCapability = 0x40;
  #lastCapability: number = PCI.CAPABILITIES;

  constructor(identity: PciIdentity) {
    const data = this.#data;
    data.setUint16(0x00, identity.vendor, true);
    data.setUint16(0x02, identity.device, true);
    data.setUint32(0x08, ((identity.classCode << 8) | identity.revision) >>> 0, true);
    data.setUint16(0x2c, identity.subsystemVendor, true);
    data.setUint16(0x2e, identity.subsystem, true);
    data.setUint8(PCI.INTERRUPT_PIN, 1);
    // Memory space, bus master, SERR enable, INTx disable.
    this.#allow(PCI.COMMAND, [0x06, 0x05]);
    this.#allow(0x0c, [0xff]);
    this.#allow(PCI.INTERRUPT_LINE, [0xff]);
  }

  /** Declares a 32-bit, non-prefetchable memory BAR; `size` is a power of two from 16 on. */
  addBar(index: number, size: number): void {
    if (index < 0 || index > 5 || size < 16 || (size & (size - 1)) !== 0) {
      throw new RangeError(`PCI BAR ${index} of ${size} bytes`);
    }
    this.#barSizes[index] = size;
    const mask = ~(size - 1) >>> 0;
    this.#allow(PCI.BAR0 + index * 4, [mask & 0xff, (mask >>> 8) & 0xff, (mask >>> 16) & 0xff, mask >>> 24]);
  }

  /**
   * Appends a capability: `body` follows its two header bytes; the bytes of `body` at and after `writableFrom` are
   * writable. Returns its offset.
   */
  addCapability(id: number, body: Uint8Array, writableFrom: number = body.length): number {
    const offset = this.#nextCapability;
    const end = (offset + 2 + body.length + 3) & ~3;
    if (end > 256) throw new RangeError(`PCI capability of ${body.length} bytes does not fit`);
    this.#bytes[this.#lastCapability] = offset;
    this.#bytes[offset] = id;
    this.#bytes.set(body, offset + 2);
    this.#writable.fill(0xff, offset + 2 + Math.min(writableFrom, body.length), offset + 2 + body.length);
    this.#lastCapability = offset + 1;
    this.#nextCapability = end;
    this.#bytes[PCI.STATUS] = (this.#bytes[PCI.STATUS] as number) | STATUS_CAPABILITIES;
    return offset;
  }

  read(offset: number, size: MmioSize): number {
    if (offset + size > 256) return 0;
    if (size === 4) return this.#data.getUint32(offset, true);
    return size === 2 ? this.#data.getUint16(offset, true) : this.#data.getUint8(offset);
  }

  write(offset: number, size: MmioSize, value: number): void {
    if (offset + size > 256) return;
    for (let index = 0; index < size; index++) {
      const mask = this.#writable[offset + index] as number;
      const byte = (value >>> (index * 8)) & 0xff;
      this.#bytes[offset + index] = ((this.#bytes[offset + index] as number) & ~mask) | (byte & mask);
    }
  }

  get command(): number {
    return this.#data.getUint16(PCI.COMMAND, true);
  }

  /** Reflects the level of INTx in the status register. */
  set interruptStatus(level: boolean) {
    const status = this.#bytes[PCI.STATUS] as number;
    this.#bytes[PCI.STATUS] = level ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT;
  }

  /** Bytes of BAR `index`; 0 where there is none. */
  barSize(index: number): number {
    return this.#barSizes[index] ?? 0;
  }

  /** Address that the guest gave BAR `index`. */
  barAddress(index: number): number {
    return (this.#data.getUint32(PCI.BAR0 + index * 4, true) & ~0xf) >>> 0;
  }

  /** Every writable bit back to zero. */
  reset(): void {
    for (let index = 0; index < 256; index++) {
      this.#bytes[index] = (this.#bytes[index] as number) & ~(this.#writable[index] as number);
    }
  }

  save(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Takes over the writable bits of a saved space. */
  restore(bytes: Uint8Array): void {
    for (let index = 0; index < 256; index++) this.write(index, 1, bytes[index] ?? 0);
  }

  #allow(offset: number, masks: readonly number[]): void {
    this.#writable.set(masks, offset);
  }
}

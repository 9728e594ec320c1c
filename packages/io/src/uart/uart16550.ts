import type {
  DeviceFactory,
  DeviceSlot,
  IrqLine,
  MmioSize,
  PlatformDevice,
  SnapshotState,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import type { BytePort } from "../host/byte-port.ts";
import { HostPort } from "../host/host-port.ts";
import { booleanField, bytesField, checkVersion, integerField, integersField } from "../snapshot.ts";
import { ReceiveFifo } from "./receive-fifo.ts";

const IER_RDI = 0x01;
const IER_THRI = 0x02;
const IER_RLSI = 0x04;
const IER_MSI = 0x08;
const IIR_NO_INT = 0x01;
const IIR_THRI = 0x02;
const IIR_RDI = 0x04;
const IIR_RLSI = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFO_ENABLED = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_BI = 0x10;
const LSR_THRE_TEMT = 0x60;
const LSR_FIFO_ERROR = 0x80;
/** CTS, DSR and DCD: the other end is always there and ready. */
const MODEM_READY = 0xb0;
const TRIGGERS: readonly number[] = [1, 4, 8, 14];

/** How a {@link Uart16550} is set up. */
export interface Uart16550Options {
  /** Bytes from the host that wait for the guest at most; 65536 by default. */
  readonly inputCapacity?: number;
  /** Bytes that wait for the reader of `readable` at most before more are dropped; 1 MiB by default. */
  readonly outputLimit?: number;
  /** Input clock in hertz, for the device tree; 3686400 by default. */
  readonly clockFrequency?: number;
}

/**
 * A serial port of the type 16550A: registers one byte apart, FIFOs of 16 bytes (National Semiconductor
 * PC16550D data sheet, section 8).
 *
 * The line is infinitely fast: the transmitter is always empty, and a character timeout comes at once. The modem
 * lines say that the other end is ready. The interrupt wire is not gated by OUT2. Input from the host waits in a
 * buffer of its own and enters the FIFO as the guest makes room, so it is never overrun. What the guest sends while
 * the reader of `readable` is behind by more than the limit is dropped and counted.
 */
export class Uart16550 implements PlatformDevice, BytePort {
  readonly bus = "platform";
  readonly size: number = 0x100;
  readonly nodeName: string = "serial";
  readonly devicetree: PlatformDevice["devicetree"];
  readonly interrupts: boolean = true;
  readonly #irq: IrqLine;
  readonly #host: HostPort;
  readonly #fifo: ReceiveFifo = new ReceiveFifo();
  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr = 0;
  #scr = 0;
  #divisor = 0x0001;
  #overrun = false;
  #modemDelta = 0;
  #transmitterEmpty = false;
  #level = false;
  #transmitted = 0;
  #received = 0;
  #breaks = 0;

  constructor(irq: IrqLine, options: Uart16550Options = {}) {
    this.#irq = irq;
    this.#host = new HostPort({
      inputCapacity: options.inputCapacity ?? 65536,
      outputLimit: options.outputLimit ?? 1 << 20,
      oninput: () => this.#refill(),
      onroom: () => {},
    });
    this.devicetree = { compatible: "ns16550a", "clock-frequency": options.clockFrequency ?? 3686400 };
  }

  get ondrain(): (() => void) | undefined {
    return this.#host.ondrain;
  }

  set ondrain(callback: (() => void) | undefined) {
    this.#host.ondrain = callback;
  }

  get ontransmit(): ((bytes: Uint8Array) => void) | undefined {
    return this.#host.ontransmit;
  }

  set ontransmit(callback: ((bytes: Uint8Array) => void) | undefined) {
    this.#host.ontransmit = callback;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#host.readable;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#host.writable;
  }

  write(bytes: Uint8Array): number {
    return this.#host.write(bytes);
  }

  flush(): void {
    this.#host.flush();
  }

  close(): void {
    this.#host.close();
  }

  /** Sends a break condition to the guest. Returns false when the receiver has no room for it. */
  sendBreak(): boolean {
    if (this.#fifo.full) return false;
    this.#fifo.push(0, LSR_BI);
    this.#update();
    return true;
  }

  mmioRead(offset: number, _size: MmioSize): number {
    switch (offset) {
      case 0:
        return (this.#lcr & LCR_DLAB) !== 0 ? this.#divisor & 0xff : this.#receive();
      case 1:
        return (this.#lcr & LCR_DLAB) !== 0 ? this.#divisor >>> 8 : this.#ier;
      case 2:
        return this.#identify();
      case 3:
        return this.#lcr;
      case 4:
        return this.#mcr;
      case 5:
        return this.#lineStatus();
      case 6: {
        const status = this.#modemLines() | this.#modemDelta;
        this.#modemDelta = 0;
        this.#update();
        return status;
      }
      case 7:
        return this.#scr;
      default:
        return 0;
    }
  }

  mmioWrite(offset: number, _size: MmioSize, value: number): void {
    const byte = value & 0xff;
    switch (offset) {
      case 0:
        if ((this.#lcr & LCR_DLAB) !== 0) this.#divisor = (this.#divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case 1:
        if ((this.#lcr & LCR_DLAB) !== 0) this.#divisor = (byte << 8) | (this.#divisor & 0xff);
        else {
          // Enabling the interrupt while the transmitter is empty raises it again.
          if ((byte & ~this.#ier & IER_THRI) !== 0) this.#transmitterEmpty = true;
          this.#ier = byte & 0x0f;
          this.#update();
        }
        break;
      case 2:
        this.#fifoControl(byte);
        break;
      case 3:
        if ((byte & ~this.#lcr & LCR_BREAK) !== 0) this.#breaks++;
        this.#lcr = byte;
        break;
      case 4:
        this.#modemControl(byte & 0x1f);
        break;
      case 7:
        this.#scr = byte;
        break;
    }
  }

  /** Master reset. Input that the guest has not read is dropped. */
  reset(): void {
    this.#host.flush();
    this.#host.input.clear();
    this.#fifo.clear();
    this.#fifo.enabled = false;
    this.#ier = 0;
    this.#fcr = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#scr = 0;
    this.#divisor = 1;
    this.#overrun = false;
    this.#modemDelta = 0;
    this.#transmitterEmpty = false;
    this.#update();
    this.#host.consumed();
  }

  save(): SnapshotState {
    this.#host.flush();
    return {
      version: 1,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scr: this.#scr,
      divisor: this.#divisor,
      overrun: this.#overrun,
      modemDelta: this.#modemDelta,
      transmitterEmpty: this.#transmitterEmpty,
      fifo: this.#fifo.save(),
      input: this.#host.input.peekAll(),
    };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "uart16550");
    const fifo = integersField(state, "fifo", 32, 0xff);
    const input = bytesField(state, "input", Number.MAX_SAFE_INTEGER);
    this.#ier = integerField(state, "ier", 0x0f);
    this.#fcr = integerField(state, "fcr", 0xff);
    this.#lcr = integerField(state, "lcr", 0xff);
    this.#mcr = integerField(state, "mcr", 0x1f);
    this.#scr = integerField(state, "scr", 0xff);
    this.#divisor = integerField(state, "divisor", 0xffff);
    this.#modemDelta = integerField(state, "modemDelta", 0x0f);
    this.#overrun = booleanField(state, "overrun");
    this.#transmitterEmpty = booleanField(state, "transmitterEmpty");
    this.#fifo.enabled = (this.#fcr & FCR_ENABLE) !== 0;
    this.#fifo.restore(fifo);
    this.#host.input.clear();
    this.#host.input.write(input);
    this.#update();
  }

  /** `transmitted`, `received`: bytes; `dropped`: bytes sent that nobody took; `breaks`: break conditions sent. */
  counters(): Counters {
    return {
      transmitted: this.#transmitted,
      received: this.#received,
      dropped: this.#host.dropped,
      breaks: this.#breaks,
    };
  }

  #transmit(byte: number): void {
    this.#transmitted++;
    this.#transmitterEmpty = true;
    if ((this.#mcr & MCR_LOOP) === 0) this.#host.emitByte(byte);
    else if (this.#fifo.full) this.#overrun = true;
    else this.#fifo.push(byte, 0);
    this.#update();
  }

  #receive(): number {
    const byte = this.#fifo.shift();
    this.#refill();
    return byte;
  }

  /** Moves host input into the FIFO as far as there is room. */
  #refill(): void {
    if ((this.#mcr & MCR_LOOP) === 0) {
      const { input } = this.#host;
      while (!this.#fifo.full && input.length > 0) {
        this.#fifo.push(input.shift(), 0);
        this.#received++;
      }
    }
    this.#update();
    this.#host.consumed();
  }

  #lineStatus(): number {
    let status = LSR_THRE_TEMT | this.#fifo.errors;
    if (this.#fifo.length > 0) status |= LSR_DR;
    if (this.#overrun) status |= LSR_OE;
    if (this.#fifo.enabled && this.#fifo.anyErrors) status |= LSR_FIFO_ERROR;
    if (this.#overrun || this.#fifo.errors !== 0) {
      this.#overrun = false;
      this.#fifo.clearErrors();
      this.#update();
    }
    return status;
  }

  #fifoControl(value: number): void {
    const toggled = ((value ^ this.#fcr) & FCR_ENABLE) !== 0;
    this.#fifo.enabled = (value & FCR_ENABLE) !== 0;
    if (toggled || (value & FCR_CLEAR_RECEIVER) !== 0) this.#fifo.clear();
    // The other bits can be set only together with the enable bit; the clear bits return to zero.
    this.#fcr = this.#fifo.enabled ? value & 0xc9 : 0;
    this.#refill();
  }

  #modemLines(): number {
    if ((this.#mcr & MCR_LOOP) === 0) return MODEM_READY;
    return (
      ((this.#mcr & 0x02) << 3) |
      ((this.#mcr & 0x01) << 5) |
      ((this.#mcr & 0x04) << 4) |
      ((this.#mcr & 0x08) << 4)
    );
  }

  #modemControl(value: number): void {
    const before = this.#modemLines();
    this.#mcr = value;
    const after = this.#modemLines();
    const changed = before ^ after;
    // The ring indicator counts only when it falls.
    this.#modemDelta |= ((changed & 0xb0) | (changed & before & 0x40)) >>> 4;
    this.#refill();
  }

  #identify(): number {
    const source = this.#source();
    if (source === IIR_THRI) {
      this.#transmitterEmpty = false;
      this.#update();
    }
    return source | (this.#fifo.enabled ? IIR_FIFO_ENABLED : 0);
  }

  /** The pending interrupt of highest priority, as IIR names it. */
  #source(): number {
    const fifo = this.#fifo;
    if ((this.#ier & IER_RLSI) !== 0 && (this.#overrun || fifo.errors !== 0)) return IIR_RLSI;
    if ((this.#ier & IER_RDI) !== 0 && fifo.length > 0) {
      if (!fifo.enabled || fifo.length >= (TRIGGERS[this.#fcr >>> 6] as number)) return IIR_RDI;
      return IIR_TIMEOUT;
    }
    if ((this.#ier & IER_THRI) !== 0 && this.#transmitterEmpty) return IIR_THRI;
    if ((this.#ier & IER_MSI) !== 0 && this.#modemDelta !== 0) return 0;
    return IIR_NO_INT;
  }

  #update(): void {
    const level = this.#source() !== IIR_NO_INT;
    if (level === this.#level) return;
    this.#level = level;
    this.#irq.set(level);
  }
}

/** Configures a {@link Uart16550}. */
export function uart16550(options: Uart16550Options = {}): DeviceFactory<Uart16550> {
  return (slot: DeviceSlot) => {
    const uart = new Uart16550(slot.irq, options);
    slot.defer(() => uart.close());
    return uart;
  };
}

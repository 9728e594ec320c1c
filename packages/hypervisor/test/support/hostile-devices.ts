import { assemble } from "@isomorph/cpu/asm";
import type { BlockBackend, DeviceFactory, NetPort } from "@isomorph/interface";
import {
  memoryNetwork,
  type Uart16550,
  uart16550,
  type VirtioBlk,
  type VirtioConsole,
  type VirtioNet,
  type VirtioRng,
  virtioBlk,
  virtioConsole,
  virtioNet,
  virtioRng,
} from "@isomorph/io";
import { linuxImage } from "../../src/index.ts";
import { chooser } from "./hostile.ts";

/** What a guest does at a physical address: `size` bytes, negative to load. */
export interface Access {
  readonly size: number;
  readonly gpa: number;
  readonly value: bigint;
}

/** Performs a list of accesses, whatever they do, over and over; other harts join in at random places. */
const performer = assemble(
  `
  start:
  la t0, trap; csrw stvec, t0; li t0, 0x222; csrw sie, t0; csrsi sstatus, 2
  la s0, list
  li s3, 1
  1: mv a0, s3; la a1, other; li a2, 0; li a7, 0x48534d; li a6, 0; ecall
  addi s3, s3, 1; li t0, 4; bltu s3, t0, 1b
  next:
  lw t0, 0(s0); la t1, table; slli t0, t0, 2; add t1, t1, t0; ld a0, 8(s0); ld a1, 16(s0); addi s0, s0, 24
  la s1, next
  jr t1
  .balign 4
  .option
  table:
  j again
  j b1; j b2; j b4; j b8; j r1; j r2; j r4; j r8
  b1: sb a1, 0(a0); j next
  b2: sh a1, 0(a0); j next
  b4: sw a1, 0(a0); j next
  b8: sd a1, 0(a0); j next
  r1: lb a1, 0(a0); j next
  r2: lhu a1, 0(a0); j next
  r4: lw a1, 0(a0); j next
  r8: ld a1, 0(a0); j next
  again: la s0, list; j next
  other:
  la t0, trap; csrw stvec, t0; li t0, 0x222; csrw sie, t0; csrsi sstatus, 2
  la s0, list
  2: addi s0, s0, 24; addi a0, a0, -1; bgez a0, 2b
  j next
  .balign 4
  trap: csrr t0, scause; bltz t0, 3f
  csrw sepc, s1; sret
  # Interrupts are claimed and completed, and come again if the device was not served: a bounded number of times.
  3: csrw sip, zero; li t0, -1; csrw stimecmp, t0; li t0, 0xc201004
  lw t2, 0(t0); sw t2, 0(t0); addi s2, s2, 1; andi t2, s2, 63; bnez t2, 4f; li t0, 0x200; csrc sie, t0
  4: sret
  .balign 8
  list:`.replace(".option\n", ""),
  { origin: 0x80200000 + 64 },
).bytes;

const OPERATION: Readonly<Record<number, number>> = {
  1: 1,
  2: 2,
  4: 3,
  8: 4,
  [-1]: 5,
  [-2]: 6,
  [-4]: 7,
  [-8]: 8,
};

/** A kernel that performs these accesses from all harts. */
export function accessKernel(accesses: readonly Access[]): Uint8Array {
  const code = new Uint8Array(performer.length + (accesses.length + 1) * 24);
  code.set(performer);
  const view = new DataView(code.buffer, performer.length);
  for (const [index, { size, gpa, value }] of accesses.entries()) {
    view.setUint32(index * 24, OPERATION[size] ?? 0, true);
    view.setBigUint64(index * 24 + 8, BigInt(gpa), true);
    view.setBigUint64(index * 24 + 16, BigInt.asUintN(64, value), true);
  }
  return linuxImage(code);
}

/** A disk whose calls end in later turns of the event loop, in any order, and fail at times. */
function lateDisk(size: number, seed: number): BlockBackend & { readonly pending: number } {
  const bytes = new Uint8Array(size);
  const { below } = chooser(seed);
  let pending = 0;
  const later = async (work: () => void): Promise<void> => {
    pending++;
    const turns = below(4);
    if (turns === 0) await null;
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    pending--;
    if (below(9) === 0) throw Object.assign(new Error("the disk failed"), { code: "EIO" });
    work();
  };
  return {
    size,
    blockSize: 512,
    readOnly: false,
    get pending() {
      return pending;
    },
    read: (offset, target) => later(() => target.set(bytes.subarray(offset, offset + target.length))),
    write: (offset, source) => later(() => bytes.set(source, offset)),
    flush: () => later(() => {}),
    discard: (offset, length) => later(() => void bytes.fill(0, offset, offset + length)),
    writeZeroes: (offset, length) => later(() => void bytes.fill(0, offset, offset + length)),
    extents: () => [],
    close() {},
  };
}

/** A disk that completes at once. */
function promptDisk(size: number): BlockBackend {
  const bytes = new Uint8Array(size);
  return {
    size,
    blockSize: 512,
    readOnly: false,
    copiesAtOnce: true,
    read: (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
    write: (offset, source) => bytes.set(source, offset),
    flush() {},
    discard: (offset, length) => void bytes.fill(0, offset, offset + length),
    writeZeroes: (offset, length) => void bytes.fill(0, offset, offset + length),
    extents: () => [],
    close() {},
  };
}

/** Every device that there is, and what stands behind them. */
export interface EveryDevice {
  readonly late: BlockBackend & { readonly pending: number };
  readonly peer: NetPort;
  readonly devices: Readonly<
    Record<"late" | "prompt", DeviceFactory<VirtioBlk>> & {
      serial: DeviceFactory<Uart16550>;
      console: DeviceFactory<VirtioConsole>;
      rng: DeviceFactory<VirtioRng>;
      net: DeviceFactory<VirtioNet>;
    }
  >;
}

export function everyDevice(seed: number): EveryDevice {
  const network = memoryNetwork();
  const peer: NetPort = network.port();
  const late = lateDisk(1 << 16, seed);
  return {
    late,
    peer,
    devices: {
      serial: uart16550({ outputLimit: 4096 }),
      late: virtioBlk({ backend: late, queueSize: 16, inFlight: 8 }),
      prompt: virtioBlk({ backend: promptDisk(1 << 16), queues: 2, queueSize: 8 }),
      console: virtioConsole({ outputLimit: 4096 }),
      rng: virtioRng(),
      net: virtioNet({ port: network.port(), backlog: 8192, queueSize: 16 }),
    },
  };
}

const VIRTIO_DEVICES = 5;
const ECAM = 0x30000000;
const BARS = 0x40000000;
const RINGS = 0x80400000;
const BUFFERS = 0x80500000;
const RAM_END = 0x80800000;

type Choose = ReturnType<typeof chooser>;

/** Accesses that are garbage, near the registers that matter. */
export function garbage(choose: Choose, count: number): Access[] {
  const { below, pick, doubleword } = choose;
  const hot = [
    ...[0x101000, 0xc000000, 0xc001000, 0xc002000, 0xc002080, 0xc200000, 0xc201000, 0xc202000, 0xc3ffff8],
    ...[0x10000000, 0x10000000, 0x10000008],
    ...Array.from(
      { length: VIRTIO_DEVICES },
      (_, index) => 0x10001000 + index * 0x1000 + pick([0, 0x30, 0x70, 0x80, 0x100]),
    ),
    ...Array.from(
      { length: VIRTIO_DEVICES },
      (_, index) => ECAM + index * 0x8000 + pick([0, 4, 0x10, 0x40, 0x80, 0xffc]),
    ),
    ...Array.from(
      { length: VIRTIO_DEVICES },
      (_, index) => BARS + index * 0x10000 + pick([0, 0x14, 0x1000, 0x2000, 0x3000]),
    ),
    ...[0x2000000, 0x2004000, 0x200bff8, 0x7ffffff8, 0x3fffffff],
  ];
  return Array.from({ length: count }, () => {
    const size = pick([1, 2, 4, 4, 8]);
    const near = pick(hot) + below(80);
    const gpa = below(20) === 0 ? near : Math.floor(near / size) * size;
    return {
      size: below(3) === 0 ? -size : size,
      gpa,
      value: doubleword([RINGS, BUFFERS, BARS, 0x80000000]),
    };
  });
}

/** Puts the BAR of a PCI function somewhere: where the driver below expects it, or on anything else. */
function placeBar(choose: Choose, index: number, wild: boolean): Access[] {
  const { pick } = choose;
  const config = ECAM + index * 0x8000;
  const elsewhere = [
    BARS,
    0x80000000,
    RINGS,
    ECAM,
    0xc000000,
    0x10000000,
    0xffffc000,
    0x7fffc000,
    0,
    0xffffffff,
  ];
  const bar = wild ? pick(elsewhere) : BARS + index * 0x10000;
  return [
    { size: 4, gpa: config + 0x10, value: BigInt(bar) },
    { size: 2, gpa: config + 4, value: BigInt(pick([6, 6, 6, 7, 2, wild ? 0 : 6])) },
  ];
}

/** Initialises a device as a driver does, or nearly. */
export function initialise(
  choose: Choose,
  transport: "pci" | "mmio",
  index: number,
  wild: boolean,
): Access[] {
  const { below, pick, doubleword } = choose;
  const accesses: Access[] = transport === "pci" ? placeBar(choose, index, false) : [];
  const base = transport === "pci" ? BARS + index * 0x10000 : 0x10001000 + index * 0x1000;
  const put = (size: number, offset: number, value: number | bigint) =>
    accesses.push({
      size,
      gpa: base + offset,
      value: wild && below(15) === 0 ? doubleword([RINGS]) : BigInt(value),
    });
  const isPci = transport === "pci";
  const status = (value: number) => put(isPci ? 1 : 4, isPci ? 0x14 : 0x70, value);
  const features = (select: number, value: number) => {
    put(4, isPci ? 0x08 : 0x24, select);
    put(4, isPci ? 0x0c : 0x20, value);
  };
  status(0);
  status(1);
  status(3);
  // INDIRECT_DESC and EVENT_IDX at times; VERSION_1.
  features(0, pick([0, 1 << 28, 1 << 29, 3 << 28]));
  features(1, 1);
  status(11);
  for (let queue = 0; queue < 2; queue++) {
    const at = queueAt(index, queue);
    put(isPci ? 2 : 4, isPci ? 0x16 : 0x30, queue);
    put(isPci ? 2 : 4, isPci ? 0x18 : 0x38, 8);
    const areas = [at, at + 0x400, at + 0x800];
    if (wild && below(4) === 0) areas[below(3)] = pick([RAM_END - 64, RAM_END, BARS, 0xc000000, 2 ** 40]);
    for (const [area, address] of areas.entries()) {
      const low = isPci ? 0x20 + area * 8 : 0x80 + area * 16;
      put(4, low, address % 2 ** 32);
      put(4, low + 4, Math.floor(address / 2 ** 32));
    }
    put(isPci ? 2 : 4, isPci ? 0x1c : 0x44, 1);
  }
  status(15);
  return accesses;
}

const queueAt = (index: number, queue: number) => RINGS + index * 0x4000 + queue * 0x1000;

/** Descriptors that make sense, nearly make sense or make none; an available index that moves; a notification. */
function ring(choose: Choose, transport: "pci" | "mmio", index: number, wild: boolean): Access[] {
  const { below, pick, doubleword, word } = choose;
  const accesses: Access[] = [];
  const queue = below(2);
  const at = queueAt(index, queue);
  const put = (size: number, gpa: number, value: number | bigint) =>
    accesses.push({ size, gpa, value: BigInt(value) });
  const count = 1 + below(4);
  const head = below(8);
  const isIndirect = below(3) === 0;
  const table = isIndirect ? BUFFERS + below(64) * 16 : at;
  const readable = below(count + 1);
  for (let n = 0; n < count; n++) {
    const entry = isIndirect ? n : (head + n) % 8;
    const isOdd = wild && below(3) === 0;
    const gpa = isOdd
      ? pick([RAM_END - 8, RAM_END, BARS, 0xc000000, RINGS, 0x80200000 - 0x1000, 2 ** 52])
      : BUFFERS + 0x1000 + below(0x8000);
    put(8, table + entry * 16, isOdd && below(4) === 0 ? doubleword() : gpa);
    put(4, table + entry * 16 + 8, isOdd ? word() : pick([1, 12, 16, 512, 513, 4096, 65536]));
    put(2, table + entry * 16 + 12, isOdd ? below(16) : (n + 1 < count ? 1 : 0) | (n >= readable ? 2 : 0));
    put(2, table + entry * 16 + 14, isOdd ? below(65536) : isIndirect ? n + 1 : (head + n + 1) % 8);
    // What a disk takes for a request header.
    if (n === 0 && !isOdd) {
      put(8, gpa - (gpa % 8), pick([0, 1, 4, 8, 11, 13, 99]));
      put(8, gpa - (gpa % 8) + 8, pick([0, 1, 127, 128, -1]));
    }
  }
  if (isIndirect) {
    put(8, at + head * 16, table);
    put(4, at + head * 16 + 8, wild && below(4) === 0 ? word() : count * 16);
    put(4, at + head * 16 + 12, 4);
  }
  const next = below(8);
  for (let slot = 0; slot < 8; slot++)
    put(2, at + 0x404 + slot * 2, wild && below(8) === 0 ? below(65536) : (head + slot) % 8);
  put(2, at + 0x402, wild && below(6) === 0 ? below(65536) : next);
  const notify =
    transport === "pci" ? BARS + index * 0x10000 + 0x3000 + queue * 4 : 0x10001000 + index * 0x1000 + 0x50;
  put(4, notify, queue);
  return accesses;
}

/** A program of all that for every device. */
export function deviceProgram(choose: Choose, transport: "pci" | "mmio", steps: number): Access[] {
  const { below } = choose;
  const accesses: Access[] = [];
  for (let index = 0; index < VIRTIO_DEVICES; index++)
    accesses.push(...initialise(choose, transport, index, false));
  for (let step = 0; step < steps; step++) {
    const kind = below(10);
    const index = below(VIRTIO_DEVICES);
    if (kind < 2) accesses.push(...initialise(choose, transport, index, below(2) === 0));
    else if (kind < 7) accesses.push(...ring(choose, transport, index, below(3) === 0));
    else if (kind < 8)
      accesses.push(...placeBar(choose, index, true), ...ring(choose, transport, index, false));
    else accesses.push(...garbage(choose, 8));
  }
  return accesses;
}

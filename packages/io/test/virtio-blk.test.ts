import { blockBackendCases } from "@isomorph/interface/compliance";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type VirtioBlkOptions, virtioBlk } from "../src/index.ts";
import { type Driver, testMemory } from "../src/testing/index.ts";
import { ramDisk, slowDisk, type TestDisk } from "./ram-disk.ts";
import { BEYOND_4_GIB, bench, settle, type Transport, transports } from "./virtio-harness.ts";

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const WRITE_ZEROES = 13;
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;
const NONE = 0xaa;

function setup(
  backend: TestDisk,
  options: Partial<VirtioBlkOptions> & { transport?: Transport; features?: bigint } = {},
) {
  const { transport = "mmio", features, ...rest } = options;
  const machine = bench(transport, virtioBlk({ backend, ...rest }));
  const driver = machine.start(features === undefined ? {} : { features });
  return { ...machine, machine, driver, ...requests(machine.memory, driver) };
}

function requests(memory: ReturnType<typeof bench>["memory"], driver: Driver) {
  let next = driver.end;
  const take = (length: number): number => {
    const gpa = next;
    next += (length + 15) & ~15;
    return gpa;
  };
  /** Submits a request; `parts` cuts its data into buffers. Gives where its status and data are. */
  const submit = (
    type: number,
    sector: number,
    data: Uint8Array | number,
    options: { queue?: number; parts?: readonly number[]; table?: boolean } = {},
  ): { status: () => number; data: () => Uint8Array } => {
    const header = take(16);
    const view = memory.data;
    view.setUint32(header - memory.base, type, true);
    view.setBigUint64(header - memory.base + 8, BigInt(sector), true);
    const length = typeof data === "number" ? data : data.length;
    const gpa = take(length);
    if (typeof data !== "number") memory.view(gpa, length).set(data);
    const status = take(1);
    memory.view(status, 1)[0] = NONE;
    const buffers = [];
    let at = 0;
    for (const part of [...(options.parts ?? []), Number.POSITIVE_INFINITY]) {
      const count = Math.min(part, length - at);
      if (count > 0) buffers.push({ gpa: gpa + at, length: count, writable: typeof data === "number" });
      at += count;
    }
    const all = [{ gpa: header, length: 16 }, ...buffers, { gpa: status, length: 1, writable: true }];
    driver.queues[options.queue ?? 0]!.add(all, options.table === true ? take(all.length * 16) : undefined);
    driver.kick(options.queue ?? 0);
    return { status: () => memory.view(status, 1)[0] as number, data: () => memory.view(gpa, length) };
  };
  const range = (sector: number, sectors: number, flags = 0): Uint8Array => {
    const bytes = new DataView(new ArrayBuffer(16));
    bytes.setBigUint64(0, BigInt(sector), true);
    bytes.setUint32(8, sectors, true);
    bytes.setUint32(12, flags, true);
    return new Uint8Array(bytes.buffer);
  };
  return { submit, range };
}

const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => index * seed + (index >> 8));

describe("the disk of these tests is a disk", () => {
  for (const { name, run } of blockBackendCases(({ size, readOnly }) =>
    ramDisk(size, { readOnly: readOnly ?? false }),
  )) {
    test(name, run);
  }
});

for (const transport of transports) {
  test(`virtio-blk over ${transport}: writes, reads back, flushes, says its name`, () => {
    const backend = ramDisk(1 << 20);
    const { submit, driver, device, machine } = setup(backend, { transport, serial: "disk-0042" });
    const data = pattern(4096, 3);
    expect(submit(OUT, 8, data).status()).toBe(OK);
    expect(backend.bytes.subarray(4096, 8192)).toEqual(data);
    const read = submit(IN, 8, 4096);
    expect([read.status(), read.data()]).toEqual([OK, data]);
    expect(submit(FLUSH, 0, 0).status()).toBe(OK);
    const id = submit(GET_ID, 0, 20);
    expect(id.status()).toBe(OK);
    expect(new TextDecoder().decode(id.data()).replace(/\0+$/, "")).toBe("disk-0042");
    expect(backend.calls).toEqual(["write 4096 4096", "read 4096 4096", "flush 0 0"]);
    expect([1, 2, 3, 4].map(() => driver.queues[0]!.take()?.written)).toEqual([1, 4097, 1, 21]);
    expect(machine.level).toBe(true);
    expect(device.counters()).toMatchObject({ reads: 1, writes: 1, flushes: 1, errors: 0 });
  });
}

test.each(transports)("virtio-blk over %s writes and reads back where all is beyond 4 GiB", (transport) => {
  const backend = ramDisk(1 << 20);
  const memory = testMemory(BEYOND_4_GIB + (1 << 20));
  const machine = bench(transport, virtioBlk({ backend }), memory);
  const driver = machine.start({ queues: memory.base + BEYOND_4_GIB });
  const { submit } = requests(memory, driver);
  for (const table of [false, true]) {
    const data = pattern(8192, table ? 3 : 5);
    expect(submit(OUT, 8, data, { table, parts: [512, 5000] }).status()).toBe(OK);
    expect(backend.bytes.subarray(4096, 12288)).toEqual(data);
    const read = submit(IN, 8, 8192, { table, parts: [512] });
    expect([read.status(), read.data()]).toEqual([OK, data]);
  }
  expect(memory.bytes.subarray(0, 1 << 20).every((byte) => byte === 0)).toBe(true);
});

describe("virtio-blk (VIRTIO 1.2, section 5.2)", () => {
  test("5.2.4: the configuration space describes the disk", () => {
    const { driver } = setup(ramDisk(1 << 20, { blockSize: 4096 }), { queues: 2, queueSize: 64 });
    const { transport } = driver;
    const word = (offset: number): number => transport.readConfig(offset, 4);
    expect([word(0), word(4)]).toEqual([2048, 0]);
    expect(word(12)).toBe(62);
    expect(word(20)).toBe(4096);
    expect([transport.readConfig(24, 1), transport.readConfig(26, 2)]).toEqual([0, 1]);
    expect(transport.readConfig(34, 2)).toBe(2);
    expect([word(36), word(40), word(44), word(48), word(52), transport.readConfig(56, 1)]).toEqual([
      1 << 19,
      64,
      8,
      1 << 19,
      64,
      1,
    ]);
    expect(driver.queues.map(({ size }) => size)).toEqual([64, 64]);
    const small = setup(ramDisk(1 << 20)).driver.transport;
    expect([small.readConfig(24, 1), small.readConfig(26, 2)]).toEqual([3, 8]);
  });

  test("5.2.4: a disk beyond 2 TiB", () => {
    const backend = { ...ramDisk(4096), size: 2 ** 45 + 512 };
    const { transport } = setup(backend).driver;
    expect(BigInt(transport.readConfig(0, 4)) | (BigInt(transport.readConfig(4, 4)) << 32n)).toBe(
      2n ** 36n + 1n,
    );
  });

  test("5.2.6: header and data cut into any buffers, direct and indirect", () => {
    const backend = ramDisk(1 << 20);
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 8 }),
        fc.boolean(),
        (sector, sectors, parts, table) => {
          const { submit } = setup(backend);
          const data = pattern(sectors * 512, sector + 7);
          expect(submit(OUT, sector, data, { parts, table }).status()).toBe(OK);
          expect(backend.bytes.subarray(sector * 512, (sector + sectors) * 512)).toEqual(data);
          const read = submit(IN, sector, data.length, { parts, table });
          expect([read.status(), read.data()]).toEqual([OK, data]);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("5.2.6: buffers that follow each other in memory go to the disk in one call, without a copy", () => {
    const backend = ramDisk(1 << 20);
    const targets: Uint8Array[] = [];
    const { read } = backend;
    backend.read = (offset, target) => {
      targets.push(target);
      return read(offset, target);
    };
    const { submit, memory } = setup(backend);
    submit(IN, 0, 8192, { parts: [1000, 3096] });
    expect(backend.calls).toEqual(["read 0 8192"]);
    expect(targets[0]!.buffer).toBe(memory.bytes.buffer);
  });

  test("5.2.6.2: beyond the disk, not whole blocks, or read-only fails with IOERR and does nothing", () => {
    const backend = ramDisk(1 << 16, { blockSize: 4096 });
    const { submit } = setup(backend);
    for (const [sector, length] of [
      [128, 4096],
      [127, 4096],
      [120, 8192],
      [0, 512],
      [1, 4096],
      [2 ** 52, 4096],
      [0, 4095],
    ] as const) {
      expect(submit(IN, sector, length).status()).toBe(IOERR);
      expect(submit(OUT, sector, new Uint8Array(length)).status()).toBe(IOERR);
    }
    expect(backend.calls).toEqual([]);
    const readOnly = ramDisk(1 << 16, { readOnly: true });
    const other = setup(readOnly);
    expect(other.driver.features & (1n << 5n)).toBe(1n << 5n);
    expect(other.submit(OUT, 0, new Uint8Array(512)).status()).toBe(IOERR);
    expect(other.submit(DISCARD, 0, other.range(0, 8)).status()).toBe(IOERR);
    expect(other.submit(IN, 0, 512).status()).toBe(OK);
    expect(readOnly.calls).toEqual(["read 0 512"]);
  });

  test("5.2.6.2: unknown types and flags are UNSUPP", () => {
    const { submit, range, device } = setup(ramDisk(1 << 16));
    expect(submit(2, 0, 512).status()).toBe(UNSUPP);
    expect(submit(0xffffffff, 0, 0).status()).toBe(UNSUPP);
    expect(submit(DISCARD, 0, range(0, 8, 1)).status()).toBe(UNSUPP);
    expect(submit(WRITE_ZEROES, 0, range(0, 8, 2)).status()).toBe(UNSUPP);
    expect(device.counters().unsupported).toBe(4);
  });

  test("5.2.6.2: discard and write zeroes, several ranges a request", () => {
    const backend = ramDisk(1 << 20);
    backend.bytes.fill(0xff);
    const { submit, range } = setup(backend);
    expect(submit(DISCARD, 0, new Uint8Array([...range(0, 8), ...range(16, 8)])).status()).toBe(OK);
    expect(submit(WRITE_ZEROES, 0, range(32, 1)).status()).toBe(OK);
    expect(submit(WRITE_ZEROES, 0, range(40, 1, 1)).status()).toBe(OK);
    expect(backend.calls).toEqual([
      "discard 0 4096",
      "discard 8192 4096",
      "zero 16384 512",
      "unmap 20480 512",
    ]);
    for (const wrong of [
      range(2048, 1),
      range(0, 2049),
      range(0, 0xffffffff),
      new Uint8Array(15),
      new Uint8Array(0),
      new Uint8Array(65 * 16),
    ]) {
      expect(submit(WRITE_ZEROES, 0, wrong).status()).toBe(IOERR);
    }
    expect(backend.calls).toHaveLength(4);
  });

  test("5.2.6.2: without FLUSH, and with the cache turned off, writes are durable when acknowledged", () => {
    const cached = ramDisk(1 << 16);
    const first = setup(cached);
    first.submit(OUT, 0, new Uint8Array(512));
    first.driver.transport.writeConfig(32, 1, 0);
    expect(first.driver.transport.readConfig(32, 1)).toBe(0);
    first.submit(OUT, 0, new Uint8Array(512));
    first.driver.transport.writeConfig(32, 1, 1);
    first.submit(OUT, 0, new Uint8Array(512));
    expect(cached.calls).toEqual(["write 0 512", "flush 0 0", "write+fua 0 512", "write 0 512"]);
    const plain = ramDisk(1 << 16);
    setup(plain, { features: 1n << 32n }).submit(OUT, 0, new Uint8Array(512));
    expect(plain.calls).toEqual(["write+fua 0 512"]);
  });

  test("5.2.6: chains too short to be a request come back, and hurt nobody", () => {
    const { driver, device, memory, submit } = setup(ramDisk(1 << 16));
    driver.queues[0]!.add([
      { gpa: driver.end + 0x8000, length: 8 },
      { gpa: driver.end + 0x9000, length: 1, writable: true },
    ]);
    driver.queues[0]!.add([{ gpa: driver.end + 0x8000, length: 64 }]);
    driver.kick(0);
    expect([driver.queues[0]!.take()?.written, driver.queues[0]!.take()?.written]).toEqual([1, 0]);
    expect(memory.view(driver.end + 0x9000, 1)[0]).toBe(IOERR);
    expect(device.counters().malformed).toBe(2);
    expect(submit(IN, 0, 512).status()).toBe(OK);
  });

  test("a backend that fails gives IOERR; the log is bounded", () => {
    const backend = ramDisk(1 << 16);
    const { submit, slot, device } = setup(backend);
    backend.failure = Object.assign(new Error("disk on fire"), { code: "EIO" });
    for (let index = 0; index < 20; index++) {
      expect(submit(index % 2 === 0 ? IN : FLUSH, 0, index % 2 === 0 ? 512 : 0).status()).toBe(IOERR);
    }
    expect(device.counters().errors).toBe(20);
    expect(slot.lines.filter((line) => line.includes("disk on fire")).length).toBe(8);
    backend.failure = undefined;
    expect(submit(IN, 0, 512).status()).toBe(OK);
  });

  test("misuse by the embedder", () => {
    const make =
      (options: Partial<VirtioBlkOptions>, disk = ramDisk(4096)) =>
      () =>
        bench("mmio", virtioBlk({ backend: disk, ...options }));
    expect(make({ queues: 0 })).toThrow(/0 queues/);
    expect(make({ queueSize: 100 })).toThrow(/100/);
    expect(make({ inFlight: 0 })).toThrow(RangeError);
    expect(make({ serial: "x".repeat(21) })).toThrow(/20 bytes/);
    expect(make({}, { ...ramDisk(4096), blockSize: 500 })).toThrow(/500/);
    expect(make({}, { ...ramDisk(4096), size: 4097 })).toThrow(/4097/);
  });
});

describe("virtio-blk on a disk that takes its time", () => {
  test("requests are in flight together and complete in any order, each with its own interrupt", async () => {
    const disk = slowDisk(1 << 20);
    disk.bytes.set(pattern(2048, 5));
    const { submit, machine, driver } = setup(disk);
    const a = submit(IN, 0, 1024);
    const b = submit(OUT, 8, pattern(512, 9));
    const c = submit(IN, 2, 512);
    expect(disk.waiting).toBe(3);
    expect([a.status(), b.status(), c.status()]).toEqual([NONE, NONE, NONE]);
    await disk.finish(2);
    expect([a.status(), b.status(), c.status()]).toEqual([NONE, NONE, OK]);
    expect(c.data()).toEqual(pattern(2048, 5).subarray(1024, 1536));
    expect(driver.transport.takeInterrupts()).toBe(1);
    expect(driver.queues[0]!.take()?.written).toBe(513);
    await disk.finish(0);
    await disk.finish(0, new Error("no"));
    expect([a.status(), b.status()]).toEqual([OK, IOERR]);
    expect(machine.level).toBe(true);
  });

  test("a flush is acknowledged only when the disk has flushed", async () => {
    const disk = slowDisk(1 << 20);
    const { submit } = setup(disk);
    const write = submit(OUT, 0, pattern(512));
    await disk.finish(0);
    expect(write.status()).toBe(OK);
    const flush = submit(FLUSH, 0, 0);
    await settle();
    expect(flush.status()).toBe(NONE);
    await disk.finish(0);
    expect(flush.status()).toBe(OK);
    const failed = submit(FLUSH, 0, 0);
    await disk.finish(0, new Error("not durable"));
    expect(failed.status()).toBe(IOERR);
  });

  test("no more calls are in flight than allowed, whatever the guest submits", async () => {
    const disk = slowDisk(1 << 20);
    const { submit, device } = setup(disk, { inFlight: 3, queues: 2 });
    const all = Array.from({ length: 20 }, (_, index) => submit(IN, index, 512, { queue: index % 2 }));
    expect([disk.waiting, device.counters().inFlight]).toEqual([3, 3]);
    for (let index = 0; index < 20; index++) {
      expect(disk.waiting).toBeLessThanOrEqual(3);
      await disk.finish(0);
    }
    expect(all.map(({ status }) => status())).toEqual(new Array(20).fill(OK));
    expect(device.counters().inFlight).toBe(0);
  });

  test("a request longer than a piece is carried out in pieces", async () => {
    const disk = slowDisk(4 << 20);
    disk.bytes.set(pattern(3 << 20, 3));
    const machine = bench("mmio", virtioBlk({ backend: disk }), testMemory(8 << 20));
    const driver = machine.start();
    const { submit } = requests(machine.memory, driver);
    const length = (2 << 20) + 512;
    const read = submit(IN, 1, length, { parts: [700_000, 5] });
    for (let piece = 0; piece < 3; piece++) {
      expect([disk.waiting, read.status()]).toEqual([1, NONE]);
      await disk.finish(0);
    }
    expect(read.status()).toBe(OK);
    expect(Buffer.compare(read.data(), disk.bytes.subarray(512, 512 + length))).toBe(0);
    const write = submit(OUT, 0, pattern(length, 11), { parts: [100] });
    for (let piece = 0; piece < 3; piece++) await disk.finish(0);
    expect(write.status()).toBe(OK);
    expect(Buffer.compare(disk.bytes.subarray(0, length), pattern(length, 11))).toBe(0);
  });

  test("2.4: after a reset what was in flight can't reach memory, and nothing new starts before it has ended", async () => {
    const disk = slowDisk(1 << 20);
    disk.bytes.fill(0x77);
    const { submit, machine, driver } = setup(disk);
    const read = submit(IN, 0, 4096);
    submit(OUT, 8, pattern(4096));
    driver.transport.writeStatus(0);
    const untouched = read.data().slice();
    const again = machine.start();
    const fresh = requests(machine.memory, { ...again, end: again.end + 0x10000 });
    const later = fresh.submit(IN, 0, 512);
    expect(disk.waiting).toBe(2);
    await disk.finish(0);
    expect(read.data()).toEqual(untouched);
    expect(disk.waiting).toBe(1);
    expect(later.status()).toBe(NONE);
    await disk.finish(0);
    expect(disk.waiting).toBe(1);
    await disk.finish(0);
    expect([later.status(), later.data()[0]]).toEqual([OK, 0x77]);
    expect(again.queues[0]!.take()?.written).toBe(513);
    expect(again.queues[0]!.take()).toBeUndefined();
  });

  test("a guest that submits and resets for ever holds no more than the limit", async () => {
    const disk = slowDisk(1 << 20);
    const { machine } = setup(disk, { inFlight: 4 });
    for (let round = 0; round < 50; round++) {
      const driver = machine.start();
      const { submit } = requests(machine.memory, driver);
      for (let index = 0; index < 8; index++) submit(IN, index, 512);
    }
    expect(disk.waiting).toBe(4);
    while (disk.waiting > 0) await disk.finish(0);
    await settle();
    expect(machine.device.counters().inFlight).toBe(0);
  });

  test("a snapshot with requests in flight carries them out again in another machine", async () => {
    const disk = slowDisk(1 << 20);
    const { submit, machine, driver } = setup(disk);
    driver.transport.writeConfig(32, 1, 0);
    await disk.finish(0);
    const write = submit(OUT, 4, pattern(512, 3));
    const read = submit(IN, 4, 512);
    const state = structuredClone(machine.function.save());
    const other = ramDisk(1 << 20);
    const second = bench("mmio", virtioBlk({ backend: other }));
    second.memory.bytes.set(machine.memory.bytes);
    second.function.restore(state);
    expect(other.calls).toEqual(["write+fua 2048 512", "read 2048 512"]);
    const address = (window: Uint8Array): number => window.byteOffset;
    expect(second.memory.bytes.subarray(address(read.data()), address(read.data()) + 512)).toEqual(
      pattern(512, 3),
    );
    expect(second.level).toBe(true);
    expect(write.status()).toBe(NONE);
  });
});

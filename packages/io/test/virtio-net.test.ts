import type { NetPort } from "@isomorph/interface";
import { netPortCases, snapshottableCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryNetwork, VirtioNet, type VirtioNetOptions, virtioNet } from "../src/index.ts";
import { testMemory } from "../src/testing/index.ts";
import { BEYOND_4_GIB, bench, type Transport, transports } from "./virtio-harness.ts";

const VERSION_1 = 1n << 32n;
const MRG_RXBUF = 1n << 15n;
const MAC = "02:00:5e:10:00:01";
const HEADER = 12;

const frame = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => index * seed + 3);

interface Setup extends Partial<VirtioNetOptions> {
  transport?: Transport;
  features?: bigint;
  mtu?: number;
  /** Bytes from the start of RAM to what the driver uses. */
  distance?: number;
}

function setup(options: Setup = {}) {
  const { transport = "mmio", features, mtu = 1500, distance = 0, ...rest } = options;
  const network = memoryNetwork({ mtu });
  const peer = network.port();
  const memory = testMemory(distance + (1 << 20));
  const machine = bench(transport, virtioNet({ port: network.port(), mac: MAC, ...rest }), memory);
  const queues = memory.base + distance;
  const driver = machine.start(features === undefined ? { queues } : { features, queues });
  const [receive, transmit] = driver.queues;
  const heard: Uint8Array[] = [];
  peer.onframe = (bytes) => heard.push(bytes.slice()) > 0;
  let next = driver.end;
  const take = (length: number): number => {
    const gpa = next;
    next += (length + 15) & ~15;
    return gpa;
  };
  const places = new Map<number, number>();
  return {
    machine,
    driver,
    device: machine.device,
    network,
    peer,
    heard,
    send(bytes: Uint8Array, parts: readonly number[] = []) {
      const gpa = take(HEADER + bytes.length);
      memory.view(gpa, HEADER + bytes.length).set([...new Uint8Array(HEADER), ...bytes]);
      const buffers = [];
      let at = 0;
      for (const part of [...parts, HEADER + bytes.length]) {
        const length = Math.min(part, HEADER + bytes.length - at);
        if (length > 0) buffers.push({ gpa: gpa + at, length });
        at += length;
      }
      transmit!.add(buffers);
      driver.kick(1);
    },
    offer(length: number) {
      const gpa = take(length);
      places.set(receive!.add([{ gpa, length, writable: true }]), gpa);
      driver.kick(0);
    },
    /** The next frame that the driver received: its header's num_buffers, and its bytes from that many buffers. */
    received() {
      const first = receive!.take();
      if (first === undefined) return undefined;
      const gpa = places.get(first.head)!;
      const count = memory.data.getUint16(gpa - memory.base + 10, true);
      const bytes = [...memory.view(gpa + HEADER, first.written - HEADER)];
      for (let index = 1; index < count; index++) {
        const more = receive!.take()!;
        bytes.push(...memory.view(places.get(more.head)!, more.written));
      }
      return { count, bytes: new Uint8Array(bytes) };
    },
  };
}

describe("virtio-net (VIRTIO 1.2, section 5.1)", () => {
  for (const transport of transports) {
    test(`5.1.6: frames both ways over ${transport}`, () => {
      const { send, heard, offer, peer, received, device, machine } = setup({ transport });
      send(frame(60));
      expect(heard).toEqual([frame(60)]);
      offer(2048);
      expect(machine.level).toBe(true);
      expect(peer.send(frame(1514, 7))).toBe(true);
      expect(received()).toEqual({ count: 1, bytes: frame(1514, 7) });
      expect(device.counters()).toMatchObject({ sent: 1, received: 1, sendDropped: 0, receiveDropped: 0 });
    });
  }

  test.each(transports)("frames both ways where all is beyond 4 GiB, over %s", (transport) => {
    const { send, heard, offer, peer, received } = setup({ transport, distance: BEYOND_4_GIB });
    for (let round = 1; round < 5; round++) {
      send(frame(60, round), [6, 20]);
      expect(heard.at(-1)).toEqual(frame(60, round));
      offer(2048);
      expect(peer.send(frame(1514, 7 * round))).toBe(true);
      expect(received()).toEqual({ count: 1, bytes: frame(1514, 7 * round) });
    }
  });

  test("5.1.4: MAC, status and MTU in the configuration space", () => {
    const { driver, device } = setup({ mtu: 9000 });
    const { transport } = driver;
    const mac = Array.from({ length: 6 }, (_, index) => transport.readConfig(index, 1));
    expect(mac).toEqual([0x02, 0x00, 0x5e, 0x10, 0x00, 0x01]);
    expect([...device.mac]).toEqual(mac);
    expect([transport.readConfig(6, 2), transport.readConfig(8, 2), transport.readConfig(10, 2)]).toEqual([
      1, 1, 9000,
    ]);
  });

  test("5.1.4: the cable can be pulled: the driver is told, frames are dropped", () => {
    const { device, driver, send, heard, peer } = setup();
    device.link = false;
    expect(driver.transport.readConfig(6, 2)).toBe(0);
    expect(driver.transport.takeInterrupts()).toBe(2);
    send(frame(60));
    expect(peer.send(frame(60))).toBe(true);
    expect(heard).toEqual([]);
    expect(device.counters()).toMatchObject({ sendDropped: 1, receiveDropped: 1 });
    device.link = true;
    expect(driver.transport.readConfig(6, 2)).toBe(1);
  });

  test("5.1.6.2: a frame cut into any buffers is sent whole", () => {
    const { send, heard } = setup();
    for (const parts of [[12], [1], [11, 2], [12, 14], [13, 1, 1, 1, 500]]) {
      send(frame(800, 3), parts);
      expect(heard.pop()).toEqual(frame(800, 3));
    }
  });

  test("5.1.6.2: chains that hold no frame, or one too long, are used and counted", () => {
    const { driver, device, heard } = setup();
    const [, transmit] = driver.queues;
    for (const length of [1, 11, 12, 25, HEADER + 1519, 60_000]) transmit!.add([{ gpa: driver.end, length }]);
    transmit!.add([{ gpa: driver.end, length: 100, writable: true }]);
    driver.kick(1);
    expect(heard).toEqual([]);
    expect(device.counters().malformed).toBe(7);
    let used = 0;
    while (transmit!.take() !== undefined) used++;
    expect(used).toBe(7);
  });

  test("5.1.6.4: merged receive buffers", () => {
    const { offer, peer, received, device } = setup();
    for (let index = 0; index < 5; index++) offer(300);
    peer.send(frame(1000, 5));
    expect(received()).toEqual({ count: 4, bytes: frame(1000, 5) });
    peer.send(frame(100));
    expect(received()).toEqual({ count: 1, bytes: frame(100) });
    expect(device.counters().received).toBe(2);
  });

  test("5.1.6.4: buffers held for a frame that they don't suffice for go to it when there are more", () => {
    const { offer, peer, received } = setup();
    offer(300);
    expect(peer.send(frame(1000, 5))).toBe(true);
    expect(received()).toBeUndefined();
    for (let index = 0; index < 3; index++) offer(300);
    expect(received()).toEqual({ count: 4, bytes: frame(1000, 5) });
  });

  test("5.1.6.3: without merging a frame needs one buffer of its size", () => {
    const { offer, peer, received, device, driver } = setup({ features: VERSION_1 });
    offer(100);
    offer(2048);
    peer.send(frame(1000));
    expect(driver.queues[0]!.take()?.written).toBe(0);
    expect(received()).toEqual({ count: 1, bytes: frame(1000) });
    expect(device.counters().malformed).toBe(1);
  });

  test("frames wait in the backlog for buffers, in order; what is beyond it is dropped and counted", () => {
    const { offer, peer, received, device } = setup({ backlog: 3 * (100 + 64) });
    for (let seed = 1; seed <= 5; seed++) peer.send(frame(100, seed));
    expect(device.counters().receiveDropped).toBe(2);
    for (let seed = 1; seed <= 3; seed++) offer(200);
    for (let seed = 1; seed <= 3; seed++) expect(received()).toEqual({ count: 1, bytes: frame(100, seed) });
    expect(received()).toBeUndefined();
  });

  test("before the driver is ready, and after a reset, frames are dropped", () => {
    const network = memoryNetwork();
    const peer = network.port();
    const machine = bench("mmio", virtioNet({ port: network.port() }));
    peer.send(frame(60));
    const driver = machine.start();
    peer.send(frame(60));
    driver.transport.writeStatus(0);
    peer.send(frame(60));
    expect(machine.device.counters()).toMatchObject({ received: 0, receiveDropped: 3 });
    expect(network.counters().dropped).toBe(2);
  });

  test("a port that drops is counted; closing unplugs", async () => {
    const port: NetPort = { mtu: 1500, send: () => false, onframe: undefined };
    const machine = bench("mmio", virtioNet({ port }));
    const driver = machine.start();
    machine.memory.view(driver.end, 100).fill(1);
    driver.queues[1]!.add([{ gpa: driver.end, length: 100 }]);
    driver.kick(1);
    expect(machine.device.counters().sendDropped).toBe(1);
    expect(port.onframe).toBeDefined();
    await machine.slot.close();
    expect(port.onframe).toBeUndefined();
  });

  test("random addresses are unicast and locally administered; misuse throws", () => {
    const port = (): NetPort => memoryNetwork().port();
    for (let index = 0; index < 20; index++) expect(new VirtioNet({ port: port() }).mac[0]! & 3).toBe(2);
    expect(() => new VirtioNet({ port: port(), mac: "01:00:5e:00:00:01" })).toThrow(/01:00:5e/);
    expect(() => new VirtioNet({ port: port(), mac: "52:54:00:12:34" })).toThrow(TypeError);
    expect(() => new VirtioNet({ port: port(), mac: new Uint8Array(5) })).toThrow(TypeError);
    expect(() => new VirtioNet({ port: { ...port(), mtu: 10 } })).toThrow(/10/);
    expect(() => new VirtioNet({ port: port(), queueSize: 100 })).toThrow(RangeError);
  });

  test("a snapshot taken while buffers are held for a frame gives them out again", () => {
    const first = setup();
    first.offer(300);
    first.peer.send(frame(1000));
    const state = structuredClone(first.machine.function.save());
    const network = memoryNetwork();
    const peer = network.port();
    const second = bench("mmio", virtioNet({ port: network.port(), mac: MAC }));
    second.memory.bytes.set(first.machine.memory.bytes);
    second.function.restore(state);
    peer.send(frame(60, 9));
    const place = first.driver.end - second.memory.base;
    expect(second.memory.bytes.slice(place + HEADER, place + HEADER + 60)).toEqual(frame(60, 9));
  });

  test("merging was offered and can be declined", () => {
    expect(setup().driver.features & MRG_RXBUF).toBe(MRG_RXBUF);
    expect(setup({ features: VERSION_1 }).driver.features & MRG_RXBUF).toBe(0n);
  });

  for (const { name, run } of snapshottableCases(() => {
    const part = new VirtioNet({ port: memoryNetwork().port() });
    return {
      part,
      disturb() {
        part.link = !part.link;
      },
    };
  })) {
    test(`snapshot: ${name}`, run);
  }
});

/** A guest as a NetPort: what it sends goes out of its transmit queue, what it receives comes from receive buffers. */
function guestPort(port: NetPort): NetPort & { collect(): void } {
  const machine = bench("pci", virtioNet({ port, mac: MAC }));
  const driver = machine.start();
  const { memory } = machine;
  const [receive, transmit] = driver.queues;
  const places = new Map<number, number>();
  const offer = (gpa: number): void =>
    void places.set(receive!.add([{ gpa, length: 2048, writable: true }]), gpa);
  for (let index = 0; index < 64; index++) offer(driver.end + index * 2048);
  driver.kick(0);
  const guest: NetPort & { collect(): void } = {
    mtu: port.mtu,
    onframe: undefined,
    send(bytes) {
      const length = HEADER + bytes.length;
      const gpa = driver.end + 64 * 2048;
      if (length > 4096) return false;
      memory.view(gpa, length).fill(0);
      memory.view(gpa + HEADER, bytes.length).set(bytes);
      const before = machine.device.counters().sent;
      transmit!.add([{ gpa, length }]);
      driver.kick(1);
      transmit!.take();
      return machine.device.counters().sent !== before;
    },
    collect() {
      for (let used = receive!.take(); used !== undefined; used = receive!.take()) {
        const gpa = places.get(used.head)!;
        guest.onframe?.(memory.view(gpa + HEADER, used.written - HEADER).slice());
        offer(gpa);
      }
      driver.kick(0);
    },
  };
  return guest;
}

describe("two guests on a network, each seen as a NetPort", () => {
  for (const { name, run } of netPortCases(() => {
    const network = memoryNetwork();
    const near = guestPort(network.port());
    const far = guestPort(network.port());
    return {
      near,
      far,
      async settle() {
        for (let round = 0; round < 4; round++) {
          near.collect();
          far.collect();
        }
      },
    };
  })) {
    test(name, run);
  }
});

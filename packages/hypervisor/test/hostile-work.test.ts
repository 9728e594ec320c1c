import type { BlockBackend } from "@isomorph/interface";
import { memoryNetwork, virtioBlk, virtioConsole, virtioNet, virtioRng } from "@isomorph/io";
import { describe, expect, it } from "vitest";
import { createVm, type DeviceFactories } from "../src/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";
import { tiers } from "./support/hostile.ts";

const MIB = 1 << 20;

/** A disk in memory that completes at once, as fast as memory goes. */
function disk(size: number): BlockBackend {
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

/**
 * Fills queue `queue` of the virtio-mmio device with `size` requests, all the same indirect chain of a header at s1 and
 * data, and notifies without end. Before that, it runs translated code, which makes slices long.
 */
const storm = (
  queue: number,
  size: number,
  readable: number,
  writable: number,
  header: readonly number[],
) => `
  li s0, 20000000
  w: addi s2, s2, 1; addi s3, s3, 1; addi s4, s4, 1; addi s0, s0, -4; bgtz s0, w
  li s0, 0x10001000
  sw zero, 0x70(s0); li t0, 3; sw t0, 0x70(s0)
  sw zero, 0x24(s0); li t0, 1 << 28; sw t0, 0x20(s0); li t0, 1; sw t0, 0x24(s0); sw t0, 0x20(s0)
  li t0, 11; sw t0, 0x70(s0)
  li t0, ${queue}; sw t0, 0x30(s0); li t0, ${size}; sw t0, 0x38(s0)
  li t0, 0x80400000; sw t0, 0x80(s0); sw zero, 0x84(s0)
  li t0, 0x80408000; sw t0, 0x90(s0); sw zero, 0x94(s0)
  li t0, 0x8040c000; sw t0, 0xa0(s0); sw zero, 0xa4(s0)
  li t0, 1; sw t0, 0x44(s0); li t0, 15; sw t0, 0x70(s0)
  li s1, 0x80420000
  ${header.map((word, index) => `li t0, ${word}; sw t0, ${index * 4}(s1)`).join("; ")}
  # An indirect table: readable, writable, and a byte for a status.
  li t1, 0x80410000
  sd s1, 0(t1); li t0, ${readable}; sw t0, 8(t1); li t0, ${writable > 0 ? 0x10001 : 0}; sw t0, 12(t1)
  li t0, 0x80600000; sd t0, 16(t1); li t0, ${writable}; sw t0, 24(t1); li t0, 0x20003; sw t0, 28(t1)
  sd s1, 32(t1); li t0, 1; sw t0, 40(t1); li t0, 2; sw t0, 44(t1)
  li t1, 0x80400000; li t2, ${size}; li t3, 0x80410000; li t4, ${writable > 0 ? 48 : 16}; li t5, 4; li t6, 0x80408004; li s3, 0
  d: sd t3, 0(t1); sw t4, 8(t1); sw t5, 12(t1); addi t1, t1, 16
  sh s3, 0(t6); addi t6, t6, 2; addi s3, s3, 1; addi t2, t2, -1; bnez t2, d
  li s5, 0; li s6, ${size}; li s7, 0x80408000; li s8, ${queue}
  l: lhu s5, 2(s7); li t0, 0x8040c000; lhu t1, 2(t0); add t1, t1, s6; sh t1, 2(s7)
  sw s8, 0x50(s0); j l`;

/** The same device behind each storm: what it has to do is as much as a queue holds. */
const storms: readonly {
  name: string;
  device: () => DeviceFactories[string];
  kernel: string;
  done: string;
}[] = [
  {
    name: "256 reads of 16 MiB a notification",
    device: () => virtioBlk({ backend: disk(16 * MIB) }),
    kernel: storm(0, 256, 16, 16 * MIB, [0, 0, 0, 0]),
    done: "reads",
  },
  {
    name: "256 zeroings of 2 times 16 MiB a notification",
    device: () => virtioBlk({ backend: disk(16 * MIB) }),
    kernel: storm(0, 256, 48, 16, [13, 0, 0, 0, 0, 0, 32768, 0, 0, 0, 32768, 0]),
    done: "discards",
  },
  {
    name: "console output of 128 times 16 MiB a notification",
    device: () => virtioConsole(),
    kernel: storm(1, 128, 16 * MIB, 0, []),
    done: "transmitted",
  },
  {
    name: "entropy for 64 times 16 MiB a notification",
    device: () => virtioRng(),
    kernel: storm(0, 64, 16, 16 * MIB, []),
    done: "requests",
  },
  {
    name: "256 frames of 16 MiB a notification",
    device: () => virtioNet({ port: memoryNetwork().port(), mac: "52:54:00:00:00:01" }),
    kernel: storm(1, 256, 16 * MIB, 0, []),
    done: "malformed",
  },
];

describe("work that a guest makes devices do", () => {
  it.for(storms)("leaves the event loop its turns: $name", async ({ device, kernel, done }) => {
    await using vm = await createVm({
      cpu: tiers[1].cpu,
      memory: 32 * MIB,
      transport: "mmio",
      devices: { target: device() },
      kernel: kernelOf(kernel),
    });
    // They come in a second or two; one slice of such notifications would take hours.
    let turns = 0;
    const aborted = new AbortController();
    const timer = setInterval(() => {
      if (++turns === 20) aborted.abort();
    }, 0);
    const outcome = await vm.run({ signal: aborted.signal });
    clearInterval(timer);
    expect(outcome.reason).toBe("aborted");
    expect(vm.counters()[`devices.target.${done}`]).toBeGreaterThan(0);
  });

  it("is cut into slices by count where time is made of instructions: two harts see the same", async () => {
    const kernel = kernelOf(`
      la a1, other; li a0, 1; li a2, 0; ${sbi.hartStart}
      li s0, 0x0c001000; li s1, 3000; la s2, shared
      1: lw t0, 0(s0); ld t1, 0(s2); slli t1, t1, 1; xor s3, s3, t1; addi s1, s1, -1; bnez s1, 1b
      sd s3, 8(s2)
      ${sbi.shutdown}
      .balign 4
      other: la s2, shared
      2: ld t0, 0(s2); addi t0, t0, 1; sd t0, 0(s2); j 2b
      .balign 8
      shared: .dword 0, 0`);
    const ends: (bigint | undefined)[] = [];
    for (let round = 0; round < 3; round++) {
      await using vm = await createVm({
        cpu: tiers[0].cpu,
        memory: 8 * MIB,
        harts: 2,
        clock: "instructions",
        rngSeed: new Uint8Array(8),
        kernel,
      });
      expect(await vm.run()).toEqual({ reason: "power-off", code: 0 });
      ends.push(vm.harts[0]?.readRegister(19));
    }
    expect(ends[0]).not.toBe(0n);
    expect(new Set(ends).size).toBe(1);
  });

  it("output without a reader takes no memory", async () => {
    const kernel = kernelOf(`
      li s0, 0x80200000
      1: li a7, 0x4442434e; li a6, 0; li a0, 16384; mv a1, s0; li a2, 0; ecall; j 1b`);
    let printed = 0;
    const write = (bytes: Uint8Array) => {
      printed += bytes.length;
    };
    await using vm = await createVm({ cpu: tiers[0].cpu, memory: 8 * MIB, kernel, debugConsole: { write } });
    await vm.run({ maxInstructions: 20_000 });
    const before = process.memoryUsage();
    await vm.run({ maxInstructions: 40_000 });
    const after = process.memoryUsage();
    expect(printed).toBeGreaterThan(64 * MIB);
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(100 * MIB);
  });
});

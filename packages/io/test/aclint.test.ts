import { snapshottableCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { Clint, Mtimer, Sswi } from "../src/index.ts";
import { wires } from "./wires.ts";

function setup(harts = 2) {
  const clock = { frequency: 10_000_000, ticks: 0, now: () => clock.ticks };
  const software = wires(harts);
  const timer = wires(harts);
  const device = new Clint({ clock, software: software.lines, timer: timer.lines });
  return { clock, software, timer, device };
}

describe("ACLINT 1.0-rc4", () => {
  test("chapter 2: mtimecmp is all ones at reset, so no timer interrupt is pending", () => {
    const { device, timer, clock } = setup();
    expect(device.mmioRead64(0x4000)).toBe(0xffff_ffff_ffff_ffffn);
    clock.ticks = Number.MAX_SAFE_INTEGER;
    device.mtimer.poll(clock.ticks);
    expect(timer.levels).toEqual([false, false]);
    expect(device.mtimer.nextDeadline(0)).toBe(Number.POSITIVE_INFINITY);
  });

  test("chapter 2: pending while mtime >= mtimecmp, cleared by a later mtimecmp", () => {
    const { device, timer, clock } = setup();
    device.mmioWrite64(0x4008, 100n);
    expect(device.mtimer.nextDeadline(1)).toBe(100);
    clock.ticks = 99;
    device.mtimer.poll(99);
    expect(timer.levels).toEqual([false, false]);
    clock.ticks = 100;
    device.mtimer.poll(100);
    expect(timer.levels).toEqual([false, true]);
    device.mmioWrite64(0x4008, 101n);
    expect(timer.levels).toEqual([false, false]);
    device.mmioWrite64(0x4008, 50n);
    expect(timer.levels).toEqual([false, true]);
    expect(device.counters().expirations).toBe(2);
  });

  test("chapter 2: mtimecmp and mtime in 32-bit halves", () => {
    const { device, timer, clock } = setup();
    clock.ticks = 0x3_8000_0001;
    expect(device.mmioRead(0xbff8, 4)).toBe(0x8000_0001);
    expect(device.mmioRead(0xbffc, 4)).toBe(3);
    expect(device.mmioRead64(0xbff8)).toBe(0x3_8000_0001n);
    device.mmioWrite(0x4004, 4, 0xffffffff);
    device.mmioWrite(0x4000, 4, 0x8000_0002);
    device.mmioWrite(0x4004, 4, 3);
    expect([device.mmioRead(0x4000, 4), device.mmioRead(0x4004, 4)]).toEqual([0x8000_0002, 3]);
    expect(device.mtimer.nextDeadline(0)).toBe(0x3_8000_0002);
    expect(timer.levels[0]).toBe(false);
    device.mtimer.poll(++clock.ticks);
    expect(timer.levels[0]).toBe(true);
  });

  test("chapter 2: mtime is writable, and the clock that others see moves with it", () => {
    const { device, timer, clock } = setup();
    clock.ticks = 1000;
    device.mmioWrite64(0x4000, 5_000_000n);
    device.mmioWrite64(0xbff8, 4_999_990n);
    expect(device.mtimer.now()).toBe(4_999_990);
    expect(device.mtimer.nextDeadline(0)).toBe(1010);
    clock.ticks = 1010;
    device.mtimer.poll(1010);
    expect(timer.levels[0]).toBe(true);
    device.mmioWrite(0xbff8, 4, 0);
    device.mmioWrite(0xbffc, 4, 0);
    expect(device.mmioRead64(0xbff8)).toBe(0n);
    expect(timer.levels[0]).toBe(false);
    device.mmioWrite64(0xbff8, 0xffff_ffff_ffff_fff0n);
    expect(device.mmioRead64(0xbff8)).toBe(0xffff_ffff_ffff_fff0n);
    expect(timer.levels[0]).toBe(true);
    device.reset();
    expect(device.mtimer.now()).toBe(1010);
    expect(timer.levels[0]).toBe(false);
  });

  test("chapter 3: msip drives the software interrupt with its lowest bit", () => {
    const { device, software } = setup();
    device.mmioWrite(4, 4, 0xffffffff);
    expect(software.levels).toEqual([false, true]);
    expect(device.mmioRead(4, 4)).toBe(1);
    expect(device.mmioRead64(0)).toBe(1n << 32n);
    device.mmioWrite(4, 4, 0xfffffffe);
    expect(software.levels).toEqual([false, false]);
    device.mmioWrite64(0, 0x1_0000_0001n);
    expect(software.levels).toEqual([true, true]);
    device.mmioWrite(8, 4, 1);
    expect(device.mmioRead(8, 4)).toBe(0);
  });

  test("chapter 4: setssip reads zero and raises an edge per write of 1", () => {
    const raised: number[] = [];
    const sswi = new Sswi(3, (hart) => raised.push(hart));
    sswi.mmioWrite(8, 4, 1);
    sswi.mmioWrite(8, 4, 1);
    sswi.mmioWrite(0, 4, 0xfffffffe);
    sswi.mmioWrite(12, 4, 1);
    expect(raised).toEqual([2, 2]);
    expect(sswi.mmioRead()).toBe(0);
  });

  test("misuse by the embedder", () => {
    const clock = { frequency: 1, now: () => 0 };
    expect(() => new Mtimer({ clock, lines: [] })).toThrow(RangeError);
    expect(() => new Sswi(4096, () => {})).toThrow(/4096/);
    expect(() => new Clint({ clock, software: wires(1).lines, timer: wires(2).lines })).toThrow(RangeError);
  });

  let step = 0;
  const cases = snapshottableCases(() => {
    const { device } = setup();
    return {
      part: device,
      disturb() {
        step++;
        device.mmioWrite(0, 4, step & 1);
        device.mmioWrite64(0x4008, BigInt(step));
        device.mmioWrite64(0xbff8, BigInt(step * 3));
      },
    };
  });
  for (const { name, run } of cases) test(`snapshot: ${name}`, run);
});

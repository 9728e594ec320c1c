import { snapshottableCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { FINISHER, goldfishRtc, sifiveTest } from "../src/index.ts";
import { testSlot } from "./wires.ts";

describe("SiFive test finisher", () => {
  test("pass, fail with a code, reset; anything else is ignored", () => {
    const log: string[] = [];
    const device = sifiveTest({
      onPowerOff: (code) => void log.push(`off ${code}`),
      onReset: () => void log.push("reset"),
    });
    device.mmioWrite(0, 4, FINISHER.PASS);
    device.mmioWrite(0, 4, (FINISHER.FAIL | (42 << 16)) >>> 0);
    device.mmioWrite(0, 4, (FINISHER.FAIL | (0xffff << 16)) >>> 0);
    device.mmioWrite(0, 2, FINISHER.RESET);
    device.mmioWrite(0, 4, 0x1234);
    device.mmioWrite(4, 4, FINISHER.PASS);
    device.mmioWrite(0, 1, 0x55);
    expect(log).toEqual(["off 0", "off 42", "off 65535", "reset"]);
    expect(device.counters()).toEqual({ requests: 4, ignored: 3 });
    expect(device.mmioRead()).toBe(0);
    expect(device.devicetree.compatible).toEqual(["sifive,test1", "sifive,test0", "syscon"]);
  });
});

/** A wall clock and timers that a test moves. */
function manual(start: number) {
  let now = start;
  const timers = new Set<{ at: number; callback: () => void }>();
  return {
    now: () => now,
    schedule(callback: () => void, milliseconds: number) {
      const timer = { at: now + milliseconds, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(milliseconds: number) {
      now += milliseconds;
      for (const timer of [...timers]) {
        if (timer.at > now) continue;
        timers.delete(timer);
        timer.callback();
      }
    },
    timers,
  };
}

function setup(start = 1_763_829_000_123) {
  const clock = manual(start);
  const slot = testSlot();
  const rtc = goldfishRtc(clock)(slot);
  const read = (offset: number): number => rtc.mmioRead(offset, 4);
  const write = (offset: number, value: bigint | number): void =>
    rtc.mmioWrite(offset, 4, Number(BigInt(value) & 0xffff_ffffn));
  const time = (): bigint => BigInt(read(0)) | (BigInt(read(4)) << 32n);
  const setTime = (value: bigint): void => {
    write(4, value >> 32n);
    write(0, value);
  };
  const setAlarm = (value: bigint): void => {
    write(0x0c, value >> 32n);
    write(0x08, value);
  };
  return { clock, slot, rtc, read, write, time, setTime, setAlarm };
}

describe("goldfish RTC", () => {
  test("nanoseconds since the epoch; the high half is latched by the low one", () => {
    const { clock, time, read } = setup();
    expect(time()).toBe(1_763_829_000_123_000_000n);
    const low = read(0);
    clock.advance(10_000);
    const high = read(4);
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(1_763_829_000_123_000_000n);
  });

  test("the time can be set, and goes on from there", () => {
    const { clock, time, setTime } = setup();
    setTime(1_000_000_000_000_000_000n);
    clock.advance(5);
    expect(time()).toBe(1_000_000_000_005_000_000n);
  });

  test("an alarm interrupts when it is due, is acknowledged, and can be taken back", () => {
    const { clock, slot, time, setAlarm, read, write } = setup();
    write(0x10, 1);
    setAlarm(time() + 5_000_000n);
    expect(read(0x18)).toBe(1);
    clock.advance(4);
    expect(slot.level).toBe(false);
    clock.advance(2);
    expect(slot.level).toBe(true);
    expect(read(0x18)).toBe(0);
    write(0x1c, 1);
    expect(slot.level).toBe(false);
    setAlarm(time() + 5_000_000n);
    write(0x14, 1);
    expect([read(0x18), clock.timers.size]).toEqual([0, 0]);
    clock.advance(100);
    expect(slot.level).toBe(false);
  });

  test("an alarm in the past is due at once; the enable bit gates the wire", () => {
    const { slot, setAlarm, write, time } = setup();
    setAlarm(time() - 1n);
    expect(slot.level).toBe(false);
    write(0x10, 1);
    expect(slot.level).toBe(true);
    write(0x10, 0);
    expect(slot.level).toBe(false);
  });

  test("an alarm beyond the reach of host timers sleeps several times, and setting the time moves it", () => {
    const { clock, slot, setAlarm, setTime, write, time } = setup();
    write(0x10, 1);
    setAlarm(time() + 5_000_000_000_000_000n);
    clock.advance(0x7fff_ffff);
    expect([slot.level, clock.timers.size]).toEqual([false, 1]);
    setTime(time() + 5_000_000_000_000_000n);
    expect(slot.level).toBe(true);
  });

  test("closing takes back the timer", async () => {
    const { clock, slot, setAlarm, time } = setup();
    setAlarm(time() + 5_000_000n);
    await slot.close();
    expect(clock.timers.size).toBe(0);
  });

  test("the host's clock and timers by default", async () => {
    const slot = testSlot();
    const rtc = goldfishRtc()(slot);
    const milliseconds = Number(
      (BigInt(rtc.mmioRead(0, 4)) | (BigInt(rtc.mmioRead(4, 4)) << 32n)) / 1_000_000n,
    );
    expect(Math.abs(milliseconds - Date.now())).toBeLessThan(5000);
    const due = BigInt(Date.now() + 20) * 1_000_000n;
    rtc.mmioWrite(0x10, 4, 1);
    rtc.mmioWrite(0x0c, 4, Number(due >> 32n));
    rtc.mmioWrite(0x08, 4, Number(due & 0xffff_ffffn));
    await expect.poll(() => slot.level).toBe(true);
    await slot.close();
  });

  let step = 0;
  const cases = snapshottableCases(() => {
    const { rtc, write, setAlarm, setTime } = setup();
    return {
      part: rtc,
      disturb() {
        step++;
        write(0x10, step & 1);
        setTime(2_000_000_000_000_000_000n + BigInt(step));
        setAlarm(3_000_000_000_000_000_000n + BigInt(step));
      },
    };
  });
  for (const { name, run } of cases) test(`snapshot: ${name}`, run);
});

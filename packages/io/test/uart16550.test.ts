import { snapshottableCases } from "@isomorph/interface/compliance";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Uart16550Options, uart16550 } from "../src/index.ts";
import { testSlot } from "./wires.ts";

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

function setup(options: Uart16550Options = {}) {
  const slot = testSlot();
  const uart = uart16550(options)(slot);
  const output: number[] = [];
  uart.ontransmit = (bytes) => void output.push(...bytes);
  return {
    slot,
    uart,
    output,
    read: (offset: number): number => uart.mmioRead(offset, 1),
    write: (offset: number, value: number): void => uart.mmioWrite(offset, 1, value),
  };
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("16550A (PC16550D data sheet)", () => {
  test("section 8.1: reset values", () => {
    const { read, slot } = setup();
    expect([read(IER), read(IIR), read(LCR), read(MCR), read(LSR), read(SCR)]).toEqual([0, 1, 0, 0, 0x60, 0]);
    expect(read(MSR)).toBe(0xb0);
    expect(slot.level).toBe(false);
  });

  test("section 8.3: DLAB opens the divisor latch over RBR and IER", () => {
    const { read, write } = setup();
    write(LCR, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(LCR, 0x03);
    write(IER, 0xff);
    expect(read(IER)).toBe(0x0f);
    write(LCR, 0x83);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
  });

  test("section 8.4: the transmitter is always empty, output comes in batches", async () => {
    const { read, write, output, uart } = setup();
    for (const byte of text("hello")) {
      write(THR, byte);
      expect(read(LSR) & 0x60).toBe(0x60);
    }
    expect(output).toEqual([]);
    await Promise.resolve();
    expect(output).toEqual([...text("hello")]);
    write(THR, 0x21);
    uart.flush();
    expect(output).toEqual([...text("hello!")]);
    expect(uart.counters().transmitted).toBe(6);
  });

  test("section 8.5: FCR turns the FIFOs on, IIR says so; turning them off or on clears them", () => {
    const { read, write, uart } = setup();
    write(FCR, 0xc1);
    expect(read(IIR)).toBe(0xc1);
    uart.write(text("ab"));
    expect(read(LSR) & 1).toBe(1);
    write(FCR, 0);
    expect(read(IIR)).toBe(0x01);
    expect(read(LSR) & 1).toBe(0);
    write(FCR, 0xc0);
    expect(read(IIR)).toBe(0x01);
  });

  test("section 8.7: received data interrupts at the trigger level, below it by timeout", () => {
    const { read, write, uart, slot } = setup();
    write(FCR, 0x41);
    write(IER, 0x01);
    uart.write(text("abc"));
    expect(slot.level).toBe(true);
    expect(read(IIR)).toBe(0xcc);
    uart.write(text("d"));
    expect(read(IIR)).toBe(0xc4);
    expect(String.fromCharCode(read(RBR), read(RBR), read(RBR))).toBe("abc");
    expect(read(IIR)).toBe(0xcc);
    expect(slot.level).toBe(true);
    read(RBR);
    expect(slot.level).toBe(false);
    expect(read(IIR)).toBe(0xc1);
  });

  test("section 8.7: THRE interrupts on enabling and on each write, IIR clears it", () => {
    const { read, write, slot } = setup();
    write(IER, 0x02);
    expect(slot.level).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(slot.level).toBe(false);
    expect(read(IIR)).toBe(0x01);
    write(THR, 0x41);
    expect(slot.level).toBe(true);
    read(IIR);
    write(IER, 0x00);
    write(IER, 0x02);
    expect(read(IIR)).toBe(0x02);
  });

  test("section 8.7: line status comes before data, data before THRE, THRE before modem status", () => {
    const { read, write, uart } = setup();
    write(FCR, 0x01);
    write(IER, 0x0f);
    write(MCR, 0x11);
    write(MCR, 0x01);
    uart.sendBreak();
    expect(read(IIR) & 0x0f).toBe(0x06);
    expect(read(LSR) & 0x91).toBe(0x91);
    expect(read(LSR) & 0x90).toBe(0);
    expect(read(IIR) & 0x0f).toBe(0x04);
    read(RBR);
    expect(read(IIR) & 0x0f).toBe(0x02);
    expect(read(IIR) & 0x0f).toBe(0x00);
    read(MSR);
    expect(read(IIR) & 0x0f).toBe(0x01);
  });

  test("section 8.6: an error goes with its character through the FIFO", () => {
    const { read, write, uart } = setup();
    write(FCR, 0x01);
    uart.write(text("a"));
    expect(uart.sendBreak()).toBe(true);
    expect(read(LSR)).toBe(0xe1);
    expect(read(RBR)).toBe(0x61);
    expect(read(LSR)).toBe(0xf1);
    expect(read(RBR)).toBe(0);
    expect(read(LSR)).toBe(0x60);
  });

  test("section 8.8: loopback sends back, ties modem outputs to inputs, overruns when nobody reads", () => {
    const { read, write, output, uart } = setup();
    write(MCR, 0x1a);
    expect(read(MSR) & 0xf0).toBe(0x90);
    write(MCR, 0x1f);
    expect(read(MSR) & 0xf0).toBe(0xf0);
    write(THR, 0x55);
    expect(read(LSR) & 0x03).toBe(0x01);
    write(THR, 0x56);
    expect(read(LSR) & 0x03).toBe(0x03);
    expect(read(LSR) & 0x03).toBe(0x01);
    expect(read(RBR)).toBe(0x55);
    uart.flush();
    expect(output).toEqual([]);
  });

  test("section 8.9: modem status deltas, ring only as it falls", () => {
    const { read, write } = setup();
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x0b);
    expect(read(MSR)).toBe(0x00);
    write(MCR, 0x14);
    expect(read(MSR)).toBe(0x40);
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x04);
  });

  test("input waits outside while the guest does not read; backpressure and drain", () => {
    const { read, write, uart } = setup({ inputCapacity: 32 });
    let drained = 0;
    uart.ondrain = () => drained++;
    write(FCR, 0x01);
    const all = Uint8Array.from({ length: 64 }, (_, index) => index);
    expect(uart.write(all)).toBe(48);
    expect(uart.write(all.subarray(48))).toBe(0);
    const seen: number[] = [];
    while ((read(LSR) & 1) !== 0) seen.push(read(RBR));
    expect(seen).toEqual([...all.subarray(0, 48)]);
    expect(drained).toBe(1);
    expect(uart.write(all.subarray(48))).toBe(16);
    expect(uart.counters().received).toBe(64);
  });

  test("web streams: output ends with close, input waits for the guest", async () => {
    const { read, write, uart, slot } = setup({ inputCapacity: 8 });
    uart.ontransmit = undefined;
    const reader = uart.readable.getReader();
    for (const byte of text("out")) write(THR, byte);
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("out");
    const writer = uart.writable.getWriter();
    const written = writer.write(text("a longer line than fits"));
    let line = "";
    while (line.length < 23) {
      while ((read(LSR) & 1) !== 0) line += String.fromCharCode(read(RBR));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await written;
    expect(line).toBe("a longer line than fits");
    await slot.close();
    expect((await reader.read()).done).toBe(true);
  });

  test("a reader that does not read costs a bounded amount of memory", async () => {
    const { write, uart } = setup({ outputLimit: 10_000 });
    uart.ontransmit = undefined;
    const reader = uart.readable.getReader();
    for (let index = 0; index < 100_000; index++) write(THR, index & 0xff);
    uart.flush();
    const { transmitted, dropped } = uart.counters();
    expect(transmitted).toBe(100_000);
    expect(dropped).toBeGreaterThan(80_000);
    expect((await reader.read()).value?.length).toBe(4096);
    await reader.cancel();
    write(THR, 1);
    uart.flush();
  });

  test("output that nobody takes is dropped and counted", () => {
    const { uart, write } = setup();
    uart.ontransmit = undefined;
    write(THR, 1);
    uart.flush();
    expect(uart.counters().dropped).toBe(1);
  });

  test("characters go through unchanged and in order, however reads and writes interleave", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.nat(30))),
        (fifo, steps) => {
          const { read, write, uart } = setup();
          if (fifo) write(FCR, 0x81);
          const sent: number[] = [];
          const seen: number[] = [];
          for (const step of steps) {
            if (typeof step === "number") {
              for (let left = step; left > 0 && (read(LSR) & 1) !== 0; left--) seen.push(read(RBR));
            } else {
              uart.write(step);
              sent.push(...step);
            }
          }
          while ((read(LSR) & 1) !== 0) seen.push(read(RBR));
          expect(seen).toEqual(sent);
        },
      ),
    );
  });

  let step = 0;
  const cases = snapshottableCases(() => {
    const { uart, write } = setup();
    return {
      part: uart,
      disturb() {
        step++;
        write(SCR, step & 0xff);
        write(FCR, 0x01);
        write(IER, step & 0x0f);
        uart.write(text(`line ${step} of input`));
        if (step % 2 === 0) uart.sendBreak();
      },
    };
  });
  for (const { name, run } of cases) test(`snapshot: ${name}`, run);
});

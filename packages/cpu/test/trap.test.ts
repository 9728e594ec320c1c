import { describe, expect, it } from "vitest";
import { Mstatus } from "../src/csr/table.ts";
import { State } from "../src/state.ts";
import { Exception, Interrupt } from "../src/trap/causes.ts";
import { setLine } from "../src/trap/interrupt-lines.ts";
import { CsrHarness } from "./csr-harness.ts";

describe("taking a trap", () => {
  it("section 3.1.6.1: M-mode keeps the old mode and MIE, MPRV stays", () => {
    const hart = new CsrHarness();
    hart.write("mtvec", 0x8000_1001n);
    hart.write("mstatus", Mstatus.MIE | Mstatus.MPRV);
    hart.set32(State.MODE, 0);
    hart.set32(State.RESERVATION, 5);
    hart.calls.length = 0;
    hart.exception(Exception.LOAD_PAGE_FAULT, 0x1234n);
    expect(["mepc", "mcause", "mtval", "mstatus"].map((name) => hart.read(name))).toEqual([
      0x8000_0000n,
      13n,
      0x1234n,
      0xa_0000_0000n | Mstatus.MPIE | Mstatus.MPRV,
    ]);
    // An exception goes to the base, vectored or not.
    expect(hart.get64(State.PC)).toBe(0x8000_1000n);
    expect([hart.get32(State.MODE), hart.get32(State.RESERVATION), hart.calls]).toEqual([3, 0, ["contexts"]]);
  });

  it("section 3.1.7: an interrupt goes to base plus four times its cause in vectored mode", () => {
    const hart = new CsrHarness();
    hart.write("mtvec", 0x8000_1001n);
    hart.interrupt(Interrupt.MACHINE_EXTERNAL);
    expect(hart.get64(State.PC)).toBe(0x8000_1000n + 44n);
    expect(hart.read("mcause")).toBe((1n << 63n) | 11n);
  });

  it("section 3.1.8: what M-mode raises is never delegated", () => {
    const hart = new CsrHarness();
    hart.write("medeleg", 0xffffn);
    hart.exception(Exception.BREAKPOINT);
    expect([hart.get32(State.MODE), hart.read("mcause"), hart.read("scause")]).toEqual([3, 3n, 0n]);
  });

  it("section 3.3.1: an exception does not retire, an interrupt stands between instructions", () => {
    const hart = new CsrHarness();
    const before = hart.inspect("minstret");
    hart.exception(Exception.ILLEGAL_INSTRUCTION);
    expect(hart.inspect("minstret")).toBe(before);
    hart.interrupt(Interrupt.MACHINE_TIMER);
    expect(hart.inspect("minstret")).toBe(before);
    hart.step();
    expect(hart.read("minstret")).toBe(before);
    expect(hart.inspect("minstret")).toBe(before + 1n);
  });

  it("counts traps in a row until an instruction retires, and takes budget for each", () => {
    const hart = new CsrHarness();
    const budget = hart.get32(State.REMAINING);
    const rows: number[] = [];
    const trap = (): void => {
      hart.exception(Exception.INSTRUCTION_ACCESS_FAULT);
      rows.push(hart.get32(State.TRAPS_IN_A_ROW));
    };
    for (let count = 0; count < 4; count++) trap();
    hart.step();
    trap();
    trap();
    expect(rows).toEqual([1, 2, 3, 4, 1, 2]);
    expect(hart.get32(State.REMAINING)).toBe(budget - 7);
  });
});

describe("choosing an interrupt", () => {
  const all = 0xaaan;

  it("section 3.1.9: by priority MEI, MSI, MTI, SEI, SSI, STI", () => {
    const hart = new CsrHarness();
    hart.write("mie", all);
    hart.write("mstatus", Mstatus.MIE);
    hart.set64(State.MIP, all);
    const order: number[] = [];
    for (let cause = hart.pending(); cause !== undefined; cause = hart.pending()) {
      order.push(cause);
      hart.set64(State.MIP, hart.get64(State.MIP) & ~(1n << BigInt(cause)));
    }
    expect(order).toEqual([11, 3, 7, 9, 1, 5]);
  });

  it("sections 3.1.6.1 and 3.1.9: enabled by the mode, MIE, SIE and delegation", () => {
    const hart = new CsrHarness();
    hart.write("mie", all);
    const chosen = (mode: number, status: bigint, pending: bigint, mideleg: bigint): number | undefined => {
      hart.write("mstatus", status);
      hart.write("mideleg", mideleg);
      hart.set64(State.MIP, pending);
      hart.set32(State.MODE, mode);
      return hart.pending();
    };
    expect(chosen(3, 0n, all, 0n)).toBeUndefined();
    expect(chosen(3, Mstatus.SIE, 0x222n, 0x222n)).toBeUndefined();
    expect(chosen(3, Mstatus.MIE | Mstatus.SIE, 0x222n, 0x222n)).toBeUndefined();
    expect(chosen(1, 0n, 0x222n, 0x222n)).toBeUndefined();
    expect(chosen(1, Mstatus.SIE, 0x222n, 0x222n)).toBe(9);
    expect(chosen(1, 0n, 0x222n, 0x202n)).toBe(5);
    expect(chosen(1, 0n, 0x80n, 0x222n)).toBe(7);
    expect(chosen(0, 0n, 0x222n, 0x222n)).toBe(9);
    expect(chosen(0, 0n, 0x2n, 0x222n)).toBe(1);
    hart.write("mie", 0n);
    expect(chosen(0, Mstatus.MIE, all, 0n)).toBeUndefined();
  });
});

describe("returning from a trap", () => {
  it("section 3.1.6.1: MRET takes MPP and MPIE, leaves U and 1 there, clears MPRV below M-mode", () => {
    const hart = new CsrHarness();
    hart.write("mepc", 0x8000_0406n);
    hart.write("mstatus", (1n << 11n) | Mstatus.MPRV | Mstatus.SUM);
    hart.calls.length = 0;
    hart.mret();
    expect([hart.get32(State.MODE), hart.get64(State.PC), hart.calls]).toEqual([
      1,
      0x8000_0406n,
      ["contexts"],
    ]);
    expect(hart.get64(State.MSTATUS)).toBe(0xa_0000_0000n | Mstatus.MPIE | Mstatus.SUM);

    const machine = new CsrHarness();
    machine.write("mstatus", (3n << 11n) | Mstatus.MPRV | Mstatus.MPIE);
    machine.mret();
    expect(machine.get32(State.MODE)).toBe(3);
    expect(machine.get64(State.MSTATUS)).toBe(0xa_0000_0000n | Mstatus.MPIE | Mstatus.MIE | Mstatus.MPRV);
  });

  it("section 4.1.1: SRET takes SPP and SPIE, leaves U and 1 there, clears MPRV", () => {
    const hart = new CsrHarness();
    hart.write("sepc", 0x8000_0802n);
    hart.write("mstatus", Mstatus.SPP | Mstatus.SPIE | Mstatus.MPRV);
    hart.set32(State.RESERVATION, 9);
    hart.sret();
    expect([hart.get32(State.MODE), hart.get64(State.PC), hart.get32(State.RESERVATION)]).toEqual([
      1,
      0x8000_0802n,
      0,
    ]);
    expect(hart.get64(State.MSTATUS)).toBe(0xa_0000_0000n | Mstatus.SPIE | Mstatus.SIE);
    hart.sret();
    expect(hart.get32(State.MODE)).toBe(0);
  });
});

describe("interrupt lines (section 3.1.9)", () => {
  const drive = (hart: CsrHarness, cause: number, level: boolean): bigint => {
    setLine(hart.view, hart.state, cause, level);
    return hart.read("mip");
  };

  it("MSIP, MTIP and MEIP follow their lines", () => {
    const hart = new CsrHarness();
    for (const cause of [Interrupt.MACHINE_SOFTWARE, Interrupt.MACHINE_TIMER, Interrupt.MACHINE_EXTERNAL]) {
      expect(drive(hart, cause, true)).toBe(1n << BigInt(cause));
      hart.write("mip", 0n);
      expect(hart.read("mip")).toBe(1n << BigInt(cause));
      expect(drive(hart, cause, false)).toBe(0n);
    }
  });

  it("SEIP is the line or software's bit", () => {
    const hart = new CsrHarness();
    hart.write("mip", 0x200n);
    expect(drive(hart, Interrupt.SUPERVISOR_EXTERNAL, true)).toBe(0x200n);
    expect(drive(hart, Interrupt.SUPERVISOR_EXTERNAL, false)).toBe(0x200n);
    hart.write("mip", 0n);
    expect(hart.read("mip")).toBe(0n);
    drive(hart, Interrupt.SUPERVISOR_EXTERNAL, true);
    hart.write("mip", 0n);
    expect(hart.read("mip")).toBe(0x200n);
  });

  it("SSIP and STIP are set by a rise, stay with software, and are cleared by a fall", () => {
    const hart = new CsrHarness();
    for (const cause of [Interrupt.SUPERVISOR_SOFTWARE, Interrupt.SUPERVISOR_TIMER]) {
      expect(drive(hart, cause, true)).toBe(1n << BigInt(cause));
      hart.write("mip", 0n);
      expect(hart.read("mip")).toBe(0n);
      hart.write("mip", 1n << BigInt(cause));
      expect(drive(hart, cause, false)).toBe(0n);
    }
  });

  it("asks for attention when the interrupt is enabled in mie", () => {
    const hart = new CsrHarness();
    drive(hart, Interrupt.MACHINE_TIMER, true);
    expect(hart.get32(State.ATTENTION)).toBe(0);
    drive(hart, Interrupt.MACHINE_TIMER, false);
    hart.write("mie", 0x80n);
    drive(hart, Interrupt.MACHINE_TIMER, true);
    expect(hart.get32(State.ATTENTION)).toBe(1);
  });

  it("refuses a cause that is no interrupt", () => {
    const hart = new CsrHarness();
    for (const cause of [0, 2, 13, -1, 1.5, 33]) {
      expect(() => setLine(hart.view, hart.state, cause, true)).toThrow(`not an interrupt cause: ${cause}`);
    }
  });
});

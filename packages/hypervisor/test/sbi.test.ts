import type { Hart } from "@isomorph/cpu";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HartState } from "../src/dispatcher/hart-state.ts";
import type { VmOutcome } from "../src/outcome.ts";
import { type DebugConsole, SbiError, type SbiPlatform } from "../src/sbi/contract.ts";
import { sbiFirmware } from "../src/sbi/firmware.ts";
import { bareProcessor } from "./support/processor.ts";

const RAM = 0x80000000;
const BASE = 0x10;
const TIME = 0x54494d45;
const IPI = 0x735049;
const RFENCE = 0x52464e43;
const HSM = 0x48534d;
const SRST = 0x53525354;
const DBCN = 0x4442434e;
const ALL_ONES = 2n ** 64n - 1n;

interface Rig {
  readonly harts: readonly Hart[];
  readonly platform: SbiPlatform;
  readonly outcomes: VmOutcome[];
  readonly states: HartState[];
  /** Makes the call on hart 0 and returns a0 and a1 as signed numbers. */
  call(extension: number, functionId: number, ...args: (number | bigint)[]): [number, number];
}

function rig(options: { harts?: number; console?: DebugConsole; now?: () => number } = {}): Rig {
  const { harts, memory } = bareProcessor(options);
  const outcomes: VmOutcome[] = [];
  const states: HartState[] = harts.map((_, id) => (id === 0 ? HartState.RUNNABLE : HartState.STOPPED));
  const platform: SbiPlatform = {
    harts,
    memory,
    scheduler: {
      stateOf: (hart) => states[hart] ?? HartState.STOPPED,
      setState(hart, state) {
        states[hart] = state;
      },
    },
    console: options.console,
    end: (outcome) => void outcomes.push(outcome),
  };
  const firmware = sbiFirmware(platform);
  for (const hart of harts) hart.reset({ pc: RAM, a0: hart.id, a1: 0 });
  const hart = harts[0] as Hart;
  return {
    harts,
    platform,
    outcomes,
    states,
    call(extension, functionId, ...args) {
      for (let i = 0; i < 6; i++) hart.writeRegister(10 + i, BigInt.asUintN(64, BigInt(args[i] ?? 0)));
      hart.writeRegister(16, BigInt.asUintN(64, BigInt(functionId)));
      hart.writeRegister(17, BigInt.asUintN(64, BigInt(extension)));
      firmware.serve(hart);
      return [hart.registerAsNumber(10), hart.registerAsNumber(11)];
    },
  };
}

function recorder(): DebugConsole & { text: string; input: number[] } {
  const console = {
    text: "",
    input: [] as number[],
    write(bytes: Uint8Array) {
      console.text += String.fromCharCode(...bytes);
    },
    read(target: Uint8Array) {
      const bytes = console.input.splice(0, target.length);
      target.set(bytes);
      return bytes.length;
    },
  };
  return console;
}

describe("SBI 2.0, section 3: binary encoding", () => {
  it("steps over the ecall and changes no register but a0 and a1", () => {
    const { harts, call } = rig();
    const hart = harts[0] as Hart;
    for (let i = 1; i < 32; i++) hart.writeRegister(i, BigInt(i) * 0x0101010101n);
    call(BASE, 0, 1, 2, 3, 4, 5, 6);
    expect(hart.pc).toBe(BigInt(RAM + 4));
    for (let i = 1; i < 32; i++) {
      if (i < 10 || i > 17) expect(hart.readRegister(i)).toBe(BigInt(i) * 0x0101010101n);
      else if (i > 11 && i < 16) expect(hart.readRegister(i)).toBe(BigInt(i - 9));
    }
  });

  it("answers SBI_ERR_NOT_SUPPORTED to unknown extensions and functions", () => {
    const { call } = rig();
    expect(call(0x12345678, 0)).toEqual([SbiError.SBI_ERR_NOT_SUPPORTED, 0]);
    for (const extension of [BASE, TIME, IPI, RFENCE, HSM, SRST]) {
      for (const functionId of [7, 99, -1])
        expect(call(extension, functionId)[0]).toBe(SbiError.SBI_ERR_NOT_SUPPORTED);
    }
  });
});

describe("SBI 2.0, section 4: Base", () => {
  it("reports version 2.0 and what is there", () => {
    const { call } = rig();
    expect(call(BASE, 0)).toEqual([0, 0x02000000]);
    for (const extension of [BASE, TIME, IPI, RFENCE, HSM, SRST])
      expect(call(BASE, 3, extension)).toEqual([0, 1]);
    for (const extension of [DBCN, 0x53555350, 0x43505043, 0x504d55])
      expect(call(BASE, 3, extension)).toEqual([0, 0]);
    expect(rig({ console: recorder() }).call(BASE, 3, DBCN)).toEqual([0, 1]);
  });

  it("reports the machine's identity as the CSRs have it", () => {
    const { harts, call } = rig();
    for (const [functionId, csr] of [
      [4, 0xf11],
      [5, 0xf12],
      [6, 0xf13],
    ] as const) {
      expect(call(BASE, functionId)).toEqual([0, Number(harts[0]?.readCsr(csr))]);
    }
  });
});

describe("SBI 2.0, section 6: Timer", () => {
  const SIP = 0x144;
  const STIP = 1n << 5n;

  it("programs the next event and clears the pending one", () => {
    let now = 1000;
    const { harts, call } = rig({ now: () => now });
    const hart = harts[0] as Hart;
    expect(call(TIME, 0, 5000)[0]).toBe(0);
    expect(hart.timerDeadline).toBe(5000);
    expect(hart.readCsr(SIP) & STIP).toBe(0n);
    now = 5000;
    hart.setTimer(5000);
    expect(hart.readCsr(SIP) & STIP).toBe(STIP);
    call(TIME, 0, 9000);
    expect(hart.readCsr(SIP) & STIP).toBe(0n);
  });

  it("never fires for -1 and for times beyond 2^53", () => {
    const { harts, call } = rig();
    for (const time of [ALL_ONES, 2n ** 63n, 2n ** 54n]) {
      call(TIME, 0, time);
      expect(harts[0]?.timerDeadline).toBe(Number.POSITIVE_INFINITY);
    }
  });
});

describe("SBI 2.0, section 7: IPI", () => {
  const SIP = 0x144;
  const pending = (harts: readonly Hart[]) => harts.map((hart) => Number((hart.readCsr(SIP) >> 1n) & 1n));

  it.each([
    ["hart_mask from base 0", [0b101, 0], [1, 0, 1, 0]],
    ["hart_mask from base 2", [0b11, 2], [0, 0, 1, 1]],
    ["all harts for base -1", [0, -1], [1, 1, 1, 1]],
    ["no hart for an empty mask", [0, 1], [0, 0, 0, 0]],
  ])("goes to %s", (_, [mask = 0, base = 0], expected) => {
    const { harts, call } = rig({ harts: 4 });
    expect(call(IPI, 0, mask, base)).toEqual([0, 0]);
    expect(pending(harts)).toEqual(expected);
  });

  it.each([
    [0b10000, 0],
    [0b100, 2],
    [1, 4],
    [1, -2],
    [ALL_ONES, 0],
    [1n << 63n, 0],
    [1, 2n ** 63n],
  ])("refuses harts that there are not: mask %s, base %s", (mask, base) => {
    const { harts, call } = rig({ harts: 4 });
    expect(call(IPI, 0, mask, base)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
    expect(pending(harts)).toEqual([0, 0, 0, 0]);
  });
});

describe("SBI 2.0, section 8: RFENCE", () => {
  it("serves remote fences of any range and refuses harts that there are not", () => {
    const { call } = rig({ harts: 2 });
    for (const functionId of [0, 1, 2]) {
      expect(call(RFENCE, functionId, 0b11, 0, 0, ALL_ONES, 7)).toEqual([0, 0]);
      expect(call(RFENCE, functionId, 0b100, 0, 0, 0)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
    }
    for (const functionId of [3, 4, 5, 6]) {
      expect(call(RFENCE, functionId, 1, 0)[0]).toBe(SbiError.SBI_ERR_NOT_SUPPORTED);
    }
  });

  it("makes another hart see a changed page table", () => {
    const { harts, platform, call } = rig({ harts: 2 });
    const hart = harts[1] as Hart;
    const { data, base } = platform.memory;
    const leaf = (gpa: number) => (BigInt(gpa) >> 2n) | 0xcfn; // D A X W R V
    // One Sv39 root table whose entry 1 maps 1 GiB at 0x40000000 to RAM, then to RAM + 1 GiB.
    data.setBigUint64(0x1000 + 8, leaf(RAM), true);
    hart.writeCsr(0x180, (8n << 60n) | BigInt((base + 0x1000) / 4096));
    expect(hart.translate(0x40000123n)).toBe(RAM + 0x123);
    data.setBigUint64(0x1000 + 8, leaf(0xc0000000), true);
    call(RFENCE, 1, 0b10, 0, 0, ALL_ONES);
    expect(hart.translate(0x40000123n)).toBeUndefined();
  });
});

describe("SBI 2.0, section 9: Hart State Management", () => {
  it("starts a stopped hart with a0, a1, pc and translation off", () => {
    const { harts, states, call } = rig({ harts: 2 });
    expect(call(HSM, 2, 1)).toEqual([0, 1]);
    expect(call(HSM, 0, 1, RAM + 0x100, 0x123456789abcdef0n)).toEqual([0, 0]);
    const target = harts[1] as Hart;
    expect(target.pc).toBe(BigInt(RAM + 0x100));
    expect(target.readRegister(10)).toBe(1n);
    expect(target.readRegister(11)).toBe(0x123456789abcdef0n);
    expect(target.mode).toBe(1);
    expect(target.readCsr(0x180)).toBe(0n);
    expect(target.readCsr(0x100) & 2n).toBe(0n);
    expect(states[1]).toBe(HartState.RUNNABLE);
    expect(call(HSM, 2, 1)).toEqual([0, 0]);
  });

  it("refuses harts that there are not, are started, or would start outside RAM", () => {
    const { call } = rig({ harts: 2 });
    for (const id of [2, -1, 2n ** 40n, 2n ** 63n]) {
      expect(call(HSM, 0, id, RAM, 0)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
      expect(call(HSM, 2, id)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
    }
    expect(call(HSM, 0, 0, RAM, 0)[0]).toBe(SbiError.SBI_ERR_ALREADY_AVAILABLE);
    for (const pc of [0, RAM - 2, RAM + (1 << 20), RAM + 1, ALL_ONES]) {
      expect(call(HSM, 0, 1, pc, 0)[0]).toBe(SbiError.SBI_ERR_INVALID_ADDRESS);
    }
  });

  it("stops the caller", () => {
    const { states, call } = rig();
    call(HSM, 1);
    expect(states[0]).toBe(HartState.STOPPED);
  });

  it("suspends the caller retentively, and no other way", () => {
    const { states, call } = rig();
    expect(call(HSM, 3, 0x80000000, RAM, 0)[0]).toBe(SbiError.SBI_ERR_NOT_SUPPORTED);
    expect(call(HSM, 3, 1, RAM, 0)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
    expect(states[0]).toBe(HartState.RUNNABLE);
    expect(call(HSM, 3, 0)).toEqual([0, 0]);
    expect(states[0]).toBe(HartState.SUSPENDED);
    expect(call(HSM, 2, 0)).toEqual([0, 4]);
  });

  it("does not suspend a hart with an interrupt pending", () => {
    const { harts, states, call } = rig();
    harts[0]?.writeCsr(0x104, 2n);
    harts[0]?.setInterrupt(1, true);
    expect(call(HSM, 3, 0)[0]).toBe(0);
    expect(states[0]).toBe(HartState.RUNNABLE);
  });
});

describe("SBI 2.0, section 10: System Reset", () => {
  it.each([
    ["shutdown", 0, 0, { reason: "power-off", code: 0 }],
    ["shutdown after a failure", 0, 1, { reason: "power-off", code: 1 }],
    ["cold reboot", 1, 0, { reason: "reset" }],
    ["warm reboot", 2, 1, { reason: "reset" }],
  ])("%s", (_, type, reason, outcome) => {
    const { outcomes, call } = rig();
    call(SRST, 0, type, reason);
    expect(outcomes).toEqual([outcome]);
  });

  it("refuses reserved types and reasons", () => {
    const { outcomes, call } = rig();
    for (const [type, reason] of [
      [3, 0],
      [0xf0000000, 0],
      [0, 2],
      [0, 0xe0000000],
    ] as const) {
      expect(call(SRST, 0, type, reason)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
    }
    expect(outcomes).toEqual([]);
  });
});

describe("SBI 2.0, section 12: Debug Console", () => {
  it("writes from memory, at most so much a call", () => {
    const console = recorder();
    const { platform, call } = rig({ console });
    platform.memory.view(RAM + 16, 5).set(new TextEncoder().encode("hello"));
    expect(call(DBCN, 0, 5, RAM + 16, 0)).toEqual([0, 5]);
    expect(console.text).toBe("hello");
    expect(call(DBCN, 0, 1 << 20, RAM, 0)).toEqual([0, 16384]);
    expect(call(DBCN, 0, 0, 0, 0)).toEqual([0, 0]);
  });

  it("reads into memory without waiting", () => {
    const console = recorder();
    const { platform, call } = rig({ console });
    console.input.push(104, 105);
    expect(call(DBCN, 1, 8, RAM + 32, 0)).toEqual([0, 2]);
    expect([...platform.memory.view(RAM + 32, 3)]).toEqual([104, 105, 0]);
    expect(call(DBCN, 1, 8, RAM + 32, 0)).toEqual([0, 0]);
  });

  it("writes a byte", () => {
    const console = recorder();
    rig({ console }).call(DBCN, 2, 0x141);
    expect(console.text).toBe("A");
  });

  it("refuses memory that is not RAM", () => {
    const console = recorder();
    const { call } = rig({ console });
    for (const [length, low, high] of [
      [5, 0, 0],
      [5, RAM - 1, 0],
      [5, RAM + (1 << 20) - 4, 0],
      [2 ** 52, RAM, 0],
      [ALL_ONES, RAM, 0],
      [5, RAM, 1],
      [5, ALL_ONES, 0],
    ] as const) {
      for (const functionId of [0, 1]) {
        expect(call(DBCN, functionId, length, low, high)[0]).toBe(SbiError.SBI_ERR_INVALID_PARAM);
      }
    }
    expect(console.text).toBe("");
  });
});

describe("SBI 2.0, section 5: legacy extensions", () => {
  it("print, read and shut down, and leave a1 alone", () => {
    const console = recorder();
    const { outcomes, harts, call } = rig({ console });
    expect(call(1, 0, 0x41, 77)).toEqual([0, 77]);
    expect(console.text).toBe("A");
    expect(call(2, 0)[0]).toBe(-1);
    console.input.push(0x42);
    expect(call(2, 0)[0]).toBe(0x42);
    call(0, 0, 1234);
    expect(harts[0]?.timerDeadline).toBe(1234);
    call(8, 0);
    expect(outcomes).toEqual([{ reason: "power-off", code: 0 }]);
  });
});

describe("whatever a guest calls", () => {
  it("returns an error code of the specification, and never throws", () => {
    const console = recorder();
    const { harts, call, outcomes } = rig({ harts: 3, console });
    const any64 = fc.oneof(
      fc.bigInt({ min: 0n, max: ALL_ONES }),
      fc.integer({ min: -3, max: 40 }).map(BigInt),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(0, 1, 2, 8, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN), fc.integer()),
        fc.integer({ min: -1, max: 8 }),
        fc.array(fc.oneof(any64, fc.constantFrom(BigInt(RAM), BigInt(RAM + 4096))), {
          minLength: 6,
          maxLength: 6,
        }),
        (extension, functionId, args) => {
          const [error] = call(extension, functionId, ...args);
          expect(error >= -8 && error <= 255).toBe(true);
          outcomes.length = 0;
          console.text = "";
          expect(harts.every((hart) => hart.timerDeadline >= 0)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

import { describe, expect, it } from "vitest";
import { kernelOf } from "./support/guest.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";

const EXTENSIONS = {
  BASE: 0x10,
  TIME: 0x54494d45,
  IPI: 0x735049,
  RFENCE: 0x52464e43,
  HSM: 0x48534d,
  DBCN: 0x4442434e,
  SRST: 0x53525354,
} as const;

/** Addresses that a call may take amiss: the ends of RAM, devices, nothing. */
const PLACES = [
  0x80000000,
  0x80200000,
  0x807ff000,
  0x80800000 - 8,
  0x10000000,
  0xc000000,
  0x30000000,
  0,
  0xfff,
];

/**
 * Makes the calls of a table of seven doublewords each (a7, a6, a0, a1, a2, a3, a4) on every hart there is, until a7 is
 * the end mark, and starts over. Harts start here too, whatever their `opaque` is.
 */
const caller = `
  start:
  la t0, table; add s0, t0, zero
  csrr t0, time; slli t0, t0, 3; andi t0, t0, 0x38; slli t1, t0, 3; sub t0, t1, t0; add s0, s0, t0
  la t0, trap; csrw stvec, t0; li t0, 0x222; csrw sie, t0; csrsi sstatus, 2
  next:
  ld a7, 0(s0); ld a6, 8(s0); ld a0, 16(s0); ld a1, 24(s0); ld a2, 32(s0); ld a3, 40(s0); ld a4, 48(s0)
  li t0, -3; beq a7, t0, start
  addi s0, s0, 56
  ecall
  j next
  .balign 4
  trap: csrw sip, zero; li t0, -1; csrw stimecmp, t0; csrr t0, scause; bltz t0, 1f
  csrr t0, sepc; addi t0, t0, 4; csrw sepc, t0
  1: sret
  .balign 8
  table:`;

function callTable(seed: number, calls: number): { kernel: Uint8Array } {
  const { below, pick, doubleword } = chooser(seed);
  const head = kernelOf(caller);
  const kernel = new Uint8Array(head.length + (calls + 1) * 56);
  kernel.set(head);
  const view = new DataView(kernel.buffer, head.length);
  for (let call = 0; call < calls; call++) {
    const any = below(4) === 0;
    let extension: bigint = any ? doubleword() : BigInt(pick(Object.values(EXTENSIONS)));
    let functionId: bigint = below(3) === 0 ? doubleword() : BigInt(below(8));
    // Ends of the run are tried one by one below.
    if (extension === 8n || extension === BigInt(EXTENSIONS.SRST)) extension = 9n;
    if (extension === BigInt(EXTENSIONS.HSM) && functionId === 1n) functionId = 2n;
    const words = [extension, functionId, ...Array.from({ length: 5 }, () => doubleword(PLACES))];
    for (const [index, word] of words.entries()) view.setBigUint64(call * 56 + index * 8, word, true);
  }
  view.setBigInt64(calls * 56, -3n, true);
  return { kernel };
}

describe.for(tiers)("$tier: calls of the firmware", ({ cpu }) => {
  it("with garbage for everything, from one to four harts, return", async () => {
    let calls = 0;
    for (let seed = 1; seed <= 6 * ROUNDS; seed++) {
      let printed = 0;
      const debugConsole = {
        write: (bytes: Uint8Array) => {
          printed += bytes.length;
        },
        read: (target: Uint8Array) => (seed % 2 === 0 ? target.fill(0x41).length : 0),
      };
      const harts = 1 + (seed % 4);
      const { outcome, counters } = await survive(
        { cpu, ...callTable(seed, 200), harts, debugConsole },
        { maxInstructions: 60_000 },
      );
      // A suspended or stopped hart is the guest's own doing; so is a hart started at garbage that traps for ever.
      expect(["instruction-limit", "crashed", "aborted"]).toContain(outcome.reason);
      calls += counters["vm.firmwareCalls"] ?? 0;
      expect(printed).toBeLessThan(200 << 20);
    }
    expect(calls).toBeGreaterThan(1000);
  });

  const error = (code: number) => BigInt.asUintN(64, BigInt(code));
  const all = "li a0, -1; li a1, -1";
  it.for([
    {
      name: "DBCN write over the end of RAM",
      call: "li a7, 0x4442434e; li a6, 0; li a0, 4096; li a1, 0x80800000 - 8; li a2, 0",
      code: -3,
    },
    {
      name: "DBCN write that wraps",
      call: "li a7, 0x4442434e; li a6, 0; li a0, -8; li a1, 0x80000000; li a2, 0",
      code: -3,
    },
    {
      name: "DBCN write that wraps at 2^64",
      call: "li a7, 0x4442434e; li a6, 0; li a0, 64; li a1, -8; li a2, 0",
      code: -3,
    },
    {
      name: "DBCN write with a high address",
      call: "li a7, 0x4442434e; li a6, 0; li a0, 8; li a1, 0x80000000; li a2, 1",
      code: -3,
    },
    {
      name: "DBCN read into a device",
      call: "li a7, 0x4442434e; li a6, 1; li a0, 8; li a1, 0xc000000; li a2, 0",
      code: -3,
    },
    {
      name: "DBCN write of nothing",
      call: "li a7, 0x4442434e; li a6, 0; li a0, 0; li a1, 0; li a2, 0",
      code: 0,
    },
    {
      name: "RFENCE of everything there is",
      call: `li a7, 0x52464e43; li a6, 1; ${all}; li a2, 0; li a3, -1`,
      code: 0,
    },
    {
      name: "RFENCE with a base beyond the harts",
      call: "li a7, 0x52464e43; li a6, 1; li a0, 1; li a1, 64; li a2, 0; li a3, -1",
      code: -3,
    },
    {
      name: "RFENCE of a hypervisor",
      call: `li a7, 0x52464e43; li a6, 3; ${all}; li a2, 0; li a3, -1`,
      code: -2,
    },
    { name: "IPI with all bits set", call: "li a7, 0x735049; li a6, 0; li a0, -1; li a1, 0", code: -3 },
    {
      name: "IPI with a base of 2^63",
      call: "li a7, 0x735049; li a6, 0; li a0, 1; li a1, 1 << 63",
      code: -3,
    },
    {
      name: "HSM start of hart 2^32",
      call: "li a7, 0x48534d; li a6, 0; li a0, 1 << 32; li a1, 0x80200000; li a2, 0",
      code: -3,
    },
    {
      name: "HSM start of hart -1",
      call: "li a7, 0x48534d; li a6, 0; li a0, -1; li a1, 0x80200000; li a2, 0",
      code: -3,
    },
    {
      name: "HSM start of oneself",
      call: "li a7, 0x48534d; li a6, 0; li a0, 0; li a1, 0x80200000; li a2, 0",
      code: -6,
    },
    {
      name: "HSM start outside RAM",
      call: "li a7, 0x48534d; li a6, 0; li a0, 1; li a1, 0x10000000; li a2, 0",
      code: -5,
    },
    {
      name: "HSM start at an odd address",
      call: "li a7, 0x48534d; li a6, 0; li a0, 1; li a1, 0x80200001; li a2, 0",
      code: -5,
    },
    {
      name: "HSM suspend of an unknown type",
      call: "li a7, 0x48534d; li a6, 3; li a0, 0x1234; li a1, 0; li a2, 0",
      code: -3,
    },
    { name: "SRST of an unknown type", call: "li a7, 0x53525354; li a6, 0; li a0, 3; li a1, 0", code: -3 },
    {
      name: "SRST of a vendor's type",
      call: "li a7, 0x53525354; li a6, 0; li a0, 0xf0000000; li a1, 0",
      code: -3,
    },
    { name: "SRST for an unknown reason", call: "li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 2", code: -3 },
    { name: "SRST function 1", call: "li a7, 0x53525354; li a6, 1; li a0, 0; li a1, 0", code: -2 },
    { name: "extension 2^63", call: "li a7, 1 << 63; li a6, 0", code: -2 },
    { name: "function 2^32 of BASE", call: "li a7, 0x10; li a6, 1 << 32", code: -2 },
  ])("$name", async ({ call, code }) => {
    const kernel = kernelOf(`${call}; ecall; mv s1, a0; 1: j 1b`);
    await survive(
      { cpu, kernel, harts: 2, debugConsole: { write() {}, read: () => 0 } },
      { maxInstructions: 200 },
      (vm) => expect(vm.harts[0]?.readRegister(9)).toBe(error(code)),
    );
  });

  it("of harts that start and stop each other without end", async () => {
    const kernel = kernelOf(`
      again: li s1, 1
      1: mv a0, s1; la a1, other; li a2, 0; li a7, 0x48534d; li a6, 0; ecall
      li a7, 0x48534d; li a6, 2; mv a0, s1; ecall
      addi s1, s1, 1; li t0, 5; bltu s1, t0, 1b
      j again
      .balign 4
      other: li a7, 0x48534d; li a6, 1; ecall; .word 0`);
    const { outcome, counters } = await survive({ cpu, kernel, harts: 4 }, { maxInstructions: 100_000 });
    expect(outcome).toEqual({ reason: "instruction-limit" });
    expect(counters["vm.firmwareCalls"]).toBeGreaterThan(1000);
  });
});

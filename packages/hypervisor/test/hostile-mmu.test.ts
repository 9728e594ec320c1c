import { describe, expect, it } from "vitest";
import { firmwareOf, kernelOf } from "./support/guest.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";

/** Takes one satp after the other from a table and tries addresses of another one under it. Traps go on with the next. */
const walker = `
  la t0, trap; csrw stvec, t0; li t0, 0x6000; csrs sstatus, t0
  again: la s4, satps; li s5, 8
  round: ld t1, 0(s4); csrw satp, t1; sfence.vma
  la s6, places; li s7, 16
  place: ld s2, 0(s6); la s11, 1f
  ld t1, 0(s2)
  sd t1, 0(s2)
  amoadd.d t1, t1, (s2)
  jalr zero, 0(s2)
  1: addi s6, s6, 8; addi s7, s7, -1; bnez s7, place
  addi s4, s4, 8; addi s5, s5, -1; bnez s5, round
  j again
  .balign 4
  trap: csrr t0, scause; li t2, 15; beq t0, t2, 2f; li t2, 13; beq t0, t2, 2f
  li t2, 7; beq t0, t2, 2f; li t2, 5; beq t0, t2, 2f
  csrw sepc, s11; sret
  2: csrr t0, sepc; addi t0, t0, 4; csrw sepc, t0; sret
  `;

describe.for(tiers)("$tier: garbage for addresses", ({ cpu }) => {
  it("satp and page tables of garbage, into devices, themselves and nothing", async () => {
    const reasons = new Set<string>();
    for (let seed = 1; seed <= 6 * ROUNDS; seed++) {
      const { below, pick, doubleword } = chooser(seed);
      const tables = [0x80300000, 0x80301000, 0x80302000];
      const targets = [...tables, 0x80200000, 0x80000000, 0x807ff000, 0x80800000, 0x10000000, 0xc000000, 0];
      const satp = () => {
        const table = below(4) === 0 ? doubleword(targets) & ((1n << 44n) - 1n) : BigInt(pick(tables) / 4096);
        return (BigInt(pick([8, 8, 8, 9, 10, 0, 1, 15])) << 60n) | (BigInt(below(65536)) << 44n) | table;
      };
      const entry = () =>
        below(5) === 0
          ? doubleword(targets)
          : BigInt(pick(targets) / 4) | BigInt(pick([1, 1, 0xcf, 0xdf, 0x0f, 0x47, 0xff, 0]));
      // With a half of the seeds the code itself stays mapped, so that the guest gets to go on.
      const isMapped = seed % 2 === 0;
      const mapped = () => (8n << 60n) | (BigInt(below(4)) << 44n) | BigInt(pick(tables) / 4096);
      const place = () => (below(3) === 0 ? doubleword() : BigInt(below(2 ** 30) * pick([1, 1, 512])) * 8n);
      const program = `
        ${walker}
        .balign 8
        satps: ${Array.from({ length: 8 }, () => `.dword ${isMapped ? mapped() : satp()}`).join("; ")}
        places: ${Array.from({ length: 16 }, () => `.dword ${place()}`).join("; ")}`;
      const start = kernelOf(program);
      const kernel = new Uint8Array(0x103000);
      kernel.set(start);
      const view = new DataView(kernel.buffer);
      // The kernel lies at 0x80200000: the tables are 1 MiB into it.
      for (let at = 0x100000; at < 0x103000; at += 8) view.setBigUint64(at, entry(), true);
      if (isMapped)
        for (const table of [0x100000, 0x101000, 0x102000]) view.setBigUint64(table + 16, 0x200000cfn, true);
      const { outcome } = await survive({ cpu, kernel }, { maxInstructions: 50_000 });
      reasons.add(outcome.reason);
      if (outcome.reason === "crashed") expect(outcome.detail).toMatch(/traps without end.*cause 0x/);
    }
    expect(
      [...reasons].every((reason) => ["instruction-limit", "crashed", "power-off", "reset"].includes(reason)),
    ).toBe(true);
    expect(reasons.has("instruction-limit")).toBe(true);
  });

  it("garbage in every CSR there is, by M-mode, which goes on in any mode", async () => {
    const csrs = [
      ...[0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x30a, 0x320, 0x340, 0x341, 0x342, 0x343, 0x344],
      ...[0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180],
      ...[0x3a0, 0x3a2, 0x3a1, 0xb00, 0xb02, 0x001, 0x002, 0x003, 0x7a0, 0x5a8, 0xc00, 0xf14, 0x8ff],
      ...Array.from({ length: 16 }, (_, index) => 0x3b0 + index),
    ];
    let instructions = 0;
    for (let seed = 1; seed <= 6 * ROUNDS; seed++) {
      const { below, pick, doubleword } = chooser(1000 + seed);
      const writes = Array.from({ length: 150 }, () => {
        const operation = pick(["csrw", "csrs", "csrc"]);
        const special = below(12);
        if (special === 0) return "la t1, 1f; csrw mepc, t1; mret; 1:";
        if (special === 1) return "la t1, 1f; csrw sepc, t1; sret; 1:";
        if (special === 2) return pick(["sfence.vma", "fence.i", "ld t2, 0(sp)", "sd t2, 8(sp)", "ecall"]);
        // PMP entries are not locked: M-mode stays able to execute.
        const csr = pick(csrs);
        const mask = csr >= 0x3a0 && csr < 0x3b0 ? 0x1f1f1f1f1f1f1f1fn : 2n ** 64n - 1n;
        return `li t1, ${doubleword() & mask}; ${operation} ${csr}, t1`;
      }).join("\n");
      const firmware = firmwareOf(`
        la t0, trap; csrw mtvec, t0; li sp, 0x80400000
        again: ${writes}
        j again
        .balign 4
        trap:
        la t0, trap; csrw mtvec, t0
        csrr t0, mcause; bltz t0, 3f
        csrr t0, mepc; la t1, again; bltu t0, t1, 2f; la t1, trap; bgeu t0, t1, 2f
        # past the instruction, which may be a compressed one; back to M-mode
        lhu t1, 0(t0); andi t1, t1, 3; addi t0, t0, 2; li t2, 3; bne t1, t2, 1f; addi t0, t0, 2
        1: csrw mepc, t0; li t0, 0x1800; csrs mstatus, t0; li t0, 0x20000; csrc mstatus, t0; mret
        2: la t0, again; j 1b
        3: csrw mie, zero; j 1b`);
      const { outcome, counters } = await survive({ cpu, firmware }, { maxInstructions: 30_000 });
      expect(["instruction-limit", "crashed"]).toContain(outcome.reason);
      instructions += counters["vm.instructions"] ?? 0;
    }
    expect(instructions).toBeGreaterThan(50_000);
  });

  it("loads, stores, atomics and fetches at every edge of the address space", async () => {
    const edges = [
      0x80000000,
      0x80800000,
      0x10000000,
      0x100000,
      0xc000000,
      0x30000000,
      0x40000000,
      0x7fffffff,
      2 ** 32,
      2 ** 38,
    ];
    const addresses = [
      ...edges.flatMap((edge) => [-9, -8, -4, -2, -1, 0, 1, 4].map((distance) => BigInt(edge + distance))),
      ...[2n ** 55n, 2n ** 56n - 1n, 2n ** 56n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 8n],
    ].filter((address) => address >= 0n && address !== 0x100000n);
    const accesses = ["lb", "lh", "lw", "ld", "sb", "sh", "sw", "sd"].map((name) => `${name} t1, 0(s2)`);
    const atomics = [
      "lr.w t1, (s2)",
      "sc.d t1, t1, (s2)",
      "amoadd.w t1, t1, (s2)",
      "amomax.d t1, t1, (s2)",
      "cbo.zero (s2)",
      "cbo.flush (s2)",
    ];
    const kernel = kernelOf(`
      la t0, trap; csrw stvec, t0; la s3, list; li s4, ${addresses.length}; li t1, 0
      again: ld s2, 0(s3); addi s3, s3, 8
      ${[...accesses, ...atomics].join("; ")}
      la s5, 1f; jalr zero, 0(s2)
      1: addi s4, s4, -1; bnez s4, again
      li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 0; ecall
      .balign 4
      trap: csrr t0, scause; beqz t0, 2f; li t2, 1; beq t0, t2, 2f; addi t2, t2, 1; beq t0, t2, 2f
      csrr t0, sepc; addi t0, t0, 4; csrw sepc, t0; sret
      2: csrw sepc, s5; sret
      .balign 8
      list: ${addresses.map((address) => `.dword ${address}`).join("; ")}`);
    const { outcome } = await survive({ cpu, kernel, onReset: "return" });
    expect(outcome).toEqual({ reason: "power-off", code: 0 });
  });
});

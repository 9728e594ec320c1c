import { Pte } from "@isomorph/mmu";
import { describe, expect, test } from "vitest";
import { INSTRUCTIONS } from "../../src/isa/index.ts";
import { attempt, DATA, type Ending, ORIGIN, TIERS, USER_PAGE } from "./machine.ts";

const FETCH_ACCESS = 1;
const ILLEGAL = 2;
const LOAD_ACCESS = 5;
const STORE_ACCESS = 7;
const LOAD_PAGE = 13;

describe.each(TIERS)("$name", (tier) => {
  const run = (body: string, rest: Partial<Parameters<typeof attempt>[0]> = {}): Ending =>
    attempt({ tier, mode: "machine", body, ...rest });

  describe("traps", () => {
    // The S-mode handler notes what it sees and calls M-mode.
    const handler = `la t0, handler\n csrw stvec, t0\n li t0, 0xb1ff\n csrw medeleg, t0\n j 2f
      .balign 4\n handler:\n csrr a0, scause\n csrr a1, stval\n csrr a2, sepc\n csrr a3, sstatus\n ecall\n 2:`;
    const NOT_DELEGATED = "li t0, 0\n csrw medeleg, t0";

    test("section 3.1.8: a delegated trap goes to S-mode, one that is not to M-mode", () => {
      const user = run("ecall", { mode: "user", setup: handler });
      expect([user.cause, user.x("a0"), user.x("a3") & 0x122n]).toEqual([9, 8n, 0n]);
      expect(user.x("a2")).toBe(BigInt(ORIGIN + 4096));
      const supervisor = run(".4byte 0xffffffff", { mode: "supervisor", setup: handler });
      expect([supervisor.cause, supervisor.x("a0"), supervisor.x("a1")]).toEqual([9, 2n, 0xffffffffn]);
      expect(supervisor.x("a3") & 0x100n).toBe(0x100n);
      const kept = run(".4byte 0xffffffff", { mode: "user", setup: `${handler}\n ${NOT_DELEGATED}` });
      expect([kept.cause, kept.tval, kept.x("a0")]).toEqual([2, 0xffffffffn, 0n]);
    });

    test("section 3.1.8: a trap from M-mode is never taken below", () => {
      expect(run(".4byte 0xffffffff", { setup: handler })).toMatchObject({
        cause: ILLEGAL,
        tval: 0xffffffffn,
      });
    });

    test("section 3.1.16: tval is the instruction, in its own length", () => {
      expect(run(".2byte 0x9c7d").tval).toBe(0x9c7dn);
      expect(run("csrw cycle, a0").tval).toBe(0xc0051073n);
    });

    test("section 3.1.6.3: MRET and SRET clear MPRV when they leave M-mode", () => {
      const MPRV = 1n << 17n;
      const setup = "li t0, 1 << 17\n csrs mstatus, t0";
      expect(run("nop", { mode: "supervisor", setup }).x("s5") & MPRV).toBe(0n);
      expect(run("nop", { mode: "machine", setup }).x("s5") & MPRV).toBe(MPRV);
      const sret = `li t0, 1 << 17\n csrs mstatus, t0\n la t0, 1f\n csrw sepc, t0\n sret\n 1: nop`;
      expect(run(sret).x("s5") & MPRV).toBe(0n);
    });

    test("section 3.1.6.5: TVM, TW and TSR make S-mode trap", () => {
      const trapped = (bit: number, instruction: string): boolean =>
        run(instruction, { mode: "supervisor", setup: `li t0, 1 << ${bit}\n csrs mstatus, t0` }).cause ===
        ILLEGAL;
      for (const [bit, instruction] of [
        [20, "csrr a0, satp"],
        [20, "csrw satp, zero"],
        [20, "sfence.vma"],
        [21, "wfi"],
        [22, "sret"],
      ] as const) {
        expect([instruction, trapped(bit, instruction)]).toEqual([instruction, true]);
      }
      expect(trapped(22, "csrr a0, satp")).toBe(false);
      expect(run("wfi", { mode: "user" }).cause).toBe(ILLEGAL);
    });
  });

  describe("interrupts", () => {
    const LINES = [1, 3, 5, 7, 9, 11];
    const all = (hart: { setInterrupt(cause: number, level: boolean): void }): void => {
      for (const line of LINES) hart.setInterrupt(line, true);
    };
    // Sixteen entries, each of which notes its number and switches its interrupt off.
    const vectors = `la t0, vectors + 1\n csrw mtvec, t0\n li a0, 0\n j 2f
      .balign 64
      vectors:
      ${Array.from({ length: 16 }, (_, n) => `j entry${n}`).join("\n")}
      ${Array.from({ length: 16 }, (_, n) => `entry${n}: li t0, ${n}\n j common`).join("\n")}
      common:
      slli a0, a0, 4\n or a0, a0, t0\n li t1, 1\n sll t1, t1, t0\n csrc mie, t1\n mret
      2:`;

    test("sections 3.1.7 and 3.1.9: to vectors, in the order MEI, MSI, MTI, SEI, SSI, STI", () => {
      const setup = `${vectors}\n li t0, 0xaaa\n csrw mie, t0\n li t0, 0x80\n csrs mstatus, t0`;
      const body = "nop\n nop\n la t0, trap\n csrw mtvec, t0";
      const ending = run(body, { setup, prepare: all });
      expect([ending.cause, ending.x("a0").toString(16)]).toEqual(["completed", "b37915"]);
    });

    test("section 3.1.9: delegated ones wait in M-mode, and come in S-mode in the order SEI, SSI, STI", () => {
      const supervisor = `la t0, svectors + 1\n csrw stvec, t0\n li a1, 0\n li t0, 0x222\n csrw mideleg, t0\n j 3f
        .balign 64
        svectors:
        ${Array.from({ length: 16 }, (_, n) => `j sentry${n}`).join("\n")}
        ${Array.from({ length: 16 }, (_, n) => `sentry${n}: li t0, ${n}\n j scommon`).join("\n")}
        scommon:
        slli a1, a1, 4\n or a1, a1, t0\n li t1, 1\n sll t1, t1, t0\n csrc sie, t1\n sret
        3:`;
      const setup = `${supervisor}\n li t0, 0x222\n csrw mie, t0\n li t0, 0x8a\n csrs mstatus, t0`;
      const ending = run("nop", { mode: "supervisor", setup, prepare: all });
      expect([ending.cause, ending.x("a1").toString(16)]).toEqual(["completed", "915"]);
      const machine = run("nop", { mode: "machine", setup, prepare: all });
      expect([machine.cause, machine.x("a1")]).toEqual(["completed", 0n]);
    });

    test("section 3.3.3: WFI goes on when an enabled interrupt is pending, taken or not", () => {
      const ending = run("csrci mstatus, 8\n li t0, 0x800\n csrw mie, t0\n wfi\n li a0, 5", { prepare: all });
      expect([ending.cause, ending.x("a0")]).toEqual(["completed", 5n]);
    });
  });

  describe("Sstc", () => {
    const STCE =
      "li t0, 1 << 63\n csrs menvcfg, t0\n li t0, 2\n csrs mcounteren, t0\n li t0, 0x20\n csrw mideleg, t0";

    test("chapter 2: stimecmp is illegal below M-mode without menvcfg.STCE or mcounteren.TM", () => {
      const body = "csrw stimecmp, zero";
      expect(run(body, { mode: "supervisor" }).cause).toBe(ILLEGAL);
      expect(run(body, { mode: "supervisor", setup: STCE }).cause).toBe("completed");
      expect(run(body, { mode: "supervisor", setup: `${STCE}\n csrci mcounteren, 2` }).cause).toBe(ILLEGAL);
      expect(run(body, { mode: "user", setup: STCE }).cause).toBe(ILLEGAL);
      expect(run(body, { mode: "machine" }).cause).toBe("completed");
    });

    test("chapter 2: STIP is pending from stimecmp on, and not before", () => {
      const pending = (time: number): bigint => {
        const ending = run("li t0, 1000\n csrw stimecmp, t0\n csrr a0, sip", {
          mode: "supervisor",
          setup: STCE,
          now: () => time,
        });
        expect(ending.cause).toBe("completed");
        return ending.x("a0") & 0x20n;
      };
      expect([pending(0), pending(999), pending(1000), pending(2 ** 40)]).toEqual([0n, 0n, 0x20n, 0x20n]);
    });

    test("chapter 2: the timer interrupt comes while time passes", () => {
      let time = 0;
      const handler = `la t0, timer\n csrw stvec, t0\n li t0, 0x20\n csrw mie, t0\n j 2f
        .balign 4\n timer: csrr a1, scause\n csrr a2, time\n li t0, -1\n csrw stimecmp, t0\n li a0, 1\n sret\n 2:`;
      const body = "li a0, 0\n li t0, 5000\n csrw stimecmp, t0\n csrsi sstatus, 2\n 1: beqz a0, 1b";
      const ending = run(body, {
        mode: "supervisor",
        setup: `${STCE}\n ${handler}`,
        prepare: () => {
          time = 0;
        },
        now: () => (time += 100),
      });
      expect([ending.cause, ending.x("a1")]).toEqual(["completed", (1n << 63n) | 5n]);
      expect(ending.x("a2")).toBeGreaterThanOrEqual(5000n);
    });
  });

  describe("physical memory protection", () => {
    /** An entry over the 4096 bytes from DATA on. */
    const entry = (configuration: number): string =>
      `li t0, ${((DATA >> 2) >>> 0) | 0x1ff}\n csrw pmpaddr1, t0\n csrr t0, pmpaddr0\n csrw pmpaddr2, t0
       li t0, ${(DATA / 4) | 0x1ff}\n csrw pmpaddr0, t0\n li t0, ${0x1f0000 | configuration}\n csrw pmpcfg0, t0`;
    const [NAPOT, LOCKED] = [0x18, 0x80];
    const access = { load: "ld a0, 0(t0)", store: "sd a0, 0(t0)", fetch: "jr t0" };
    const fault = { load: LOAD_ACCESS, store: STORE_ACCESS, fetch: FETCH_ACCESS };
    const at = (kind: keyof typeof access, rest: Partial<Parameters<typeof attempt>[0]>): Ending["cause"] =>
      run(`li t0, ${DATA}\n ${access[kind]}`, rest).cause;

    test.each([
      ["nothing", 0, []],
      ["R", 1, ["load"]],
      ["RW", 3, ["load", "store"]],
      ["X", 4, ["fetch"]],
      ["RX", 5, ["load", "fetch"]],
      ["RWX", 7, ["load", "store", "fetch"]],
    ] as const)(
      "section 3.7.1: an entry with %s binds S- and U-mode, and M-mode when it is locked",
      (_name, rights, allowed) => {
        for (const kind of ["load", "store", "fetch"] as const) {
          // An instruction of zeros is illegal: then the fetch was allowed.
          const passed = kind === "fetch" ? ILLEGAL : "completed";
          const expected = (allowed as readonly string[]).includes(kind) ? passed : fault[kind];
          expect([kind, at(kind, { mode: "user", setup: entry(NAPOT | rights) })]).toEqual([kind, expected]);
          expect([kind, at(kind, { mode: "supervisor", setup: entry(NAPOT | rights) })]).toEqual([
            kind,
            expected,
          ]);
          expect([kind, at(kind, { mode: "machine", setup: entry(NAPOT | rights) })]).toEqual([kind, passed]);
          expect([kind, at(kind, { mode: "machine", setup: entry(LOCKED | NAPOT | rights) })]).toEqual([
            kind,
            expected,
          ]);
        }
      },
    );

    test("section 3.7.1.2: a locked entry ignores writes, its address too", () => {
      const setup = `${entry(LOCKED | NAPOT | 1)}\n csrw pmpcfg0, zero\n csrw pmpaddr0, zero\n csrr a0, pmpcfg0\n csrr a1, pmpaddr0`;
      const ending = run(`li t0, ${DATA}\n sd a0, 0(t0)`, { setup });
      expect([ending.cause, ending.x("a0"), ending.x("a1")]).toEqual([
        STORE_ACCESS,
        BigInt(LOCKED | NAPOT | 1),
        BigInt((DATA / 4) | 0x1ff),
      ]);
    });

    test("section 3.7.1.3: an access that an entry matches in part fails, in M-mode too", () => {
      const setup = `li t0, ${DATA / 4}\n csrw pmpaddr0, t0\n li t0, -1\n csrw pmpaddr1, t0\n li t0, 0x1f17\n csrw pmpcfg0, t0`;
      expect(run(`li t0, ${DATA}\n ld a0, 0(t0)`, { setup }).cause).toBe(LOAD_ACCESS);
      expect(run(`li t0, ${DATA}\n lw a0, 0(t0)`, { setup }).cause).toBe("completed");
    });

    test("section 3.7.1: without an entry nothing is allowed below M-mode", () => {
      expect(run("nop", { mode: "user", setup: "csrw pmpcfg0, zero" }).cause).toBe(FETCH_ACCESS);
      expect(run("nop", { mode: "machine", setup: "csrw pmpcfg0, zero" }).cause).toBe("completed");
    });

    test("section 3.7.1: a branch in the last parcel of a page that an entry divides is checked as well", () => {
      const setup = `la t0, denied\n srli t0, t0, 2\n csrw pmpaddr0, t0\n li t0, -1\n csrw pmpaddr1, t0\n li t0, 0x1f18\n csrw pmpcfg0, t0`;
      const body = `j last\n .zero 3004\n denied: nop\n nop\n j done\n .zero 1074\n last: c.j denied`;
      const ending = run(body, { mode: "user", setup });
      expect([ending.cause, ending.offset]).toEqual([FETCH_ACCESS, 3008]);
    });

    test("section 3.7.2: page tables are reached with the rights of S-mode", () => {
      const page = 0x4000_0000;
      const tables = 0x8008_0000;
      const setup = `li t0, ${(tables / 4) | 0x1fff}\n csrw pmpaddr0, t0\n li t0, -1\n csrw pmpaddr1, t0\n li t0, 0x1f18\n csrw pmpcfg0, t0\n sfence.vma`;
      const map = (m: (va: number, pa: number, flags: number) => void): void => m(page, DATA, USER_PAGE);
      expect(run("nop", { mode: "user", map, setup }).cause).toBe(FETCH_ACCESS);
    });
  });

  test("section 3.7.2: a table that may only be read keeps its A and D bits, an access that needs them faults", () => {
    const page = 0x4000_0000;
    // The root, two tables of the program and one above it come before.
    const table = 0x8008_4000;
    const setup = `li t0, 1 << 61\n csrs menvcfg, t0\n li t0, ${(table / 4) | 0x1ff}\n csrw pmpaddr0, t0\n li t0, -1\n csrw pmpaddr1, t0
      li t0, 0x1f19\n csrw pmpcfg0, t0\n sfence.vma`;
    const at = (instruction: string, flags: number): Ending =>
      run(`li t0, ${page}\n ${instruction}`, { mode: "user", map: (m) => m(page, DATA, flags), setup });
    expect(at("ld a0, 0(t0)", USER_PAGE).cause).toBe("completed");
    expect(at("ld a0, 0(t0)", USER_PAGE & ~Pte.A).cause).toBe(LOAD_ACCESS);
    expect(at("sd a0, 0(t0)", USER_PAGE & ~Pte.D).cause).toBe(STORE_ACCESS);
  });

  describe("floating point", () => {
    const floating = INSTRUCTIONS.filter(({ extension }) => extension === "f" || extension === "d");

    test("section 3.1.6.6: with FS off every instruction of F and D is illegal, and the CSRs are", () => {
      const setup = `li t0, 0x6000\n csrc mstatus, t0`;
      for (const { match, name } of floating) {
        const ending = run(`li t0, ${DATA}\n .4byte ${match}`, { setup });
        expect([name, ending.cause, ending.tval]).toEqual([name, ILLEGAL, BigInt(match)]);
      }
      for (const name of ["fcsr", "frm", "fflags"])
        expect(run(`csrr a0, ${name}`, { setup }).cause).toBe(ILLEGAL);
    });

    test("section 3.1.6.6: writing a register makes the state dirty", () => {
      const initial = "li t0, 0x4000\n csrc mstatus, t0";
      expect(run("nop", { setup: initial }).x("s5") & 0x6000n).toBe(0x2000n);
      const ending = run("fmv.d.x fa0, zero", { setup: initial });
      expect([ending.x("s5") & 0x6000n, ending.x("s5") >> 63n]).toEqual([0x6000n, 1n]);
      expect(run("fcvt.w.d a0, fa0", { setup: `${initial}\n fmv.d.x fa0, zero` }).cause).toBe("completed");
    });

    test("section 20.2: reserved rounding modes are illegal, in the instruction and in frm", () => {
      const instructions = [
        "fadd.d fa0, fa1, fa2",
        "fcvt.d.s fa0, fa1",
        "fcvt.d.w fa0, a1",
        "fsqrt.s fa0, fa1",
      ];
      for (const instruction of instructions) {
        for (const mode of ["rne", "rmm", "dyn"]) {
          expect(run(`${instruction}, ${mode}`).cause).toBe("completed");
        }
        for (const frm of [5, 6, 7]) {
          expect([frm, run(`csrwi frm, ${frm}\n ${instruction}, dyn`).cause]).toEqual([frm, ILLEGAL]);
        }
        expect(run(`csrwi frm, 5\n ${instruction}, rtz`).cause).toBe("completed");
      }
      for (const word of [0x02b55553, 0x42055553, 0x02b56553, 0x42056553]) {
        expect([word, run(`.4byte ${word}`).cause]).toEqual([word, ILLEGAL]);
      }
    });
  });

  describe("where QEMU 7.2 differs", () => {
    test("Zbb: CTZW counts in the lower half only", () => {
      const ending = run("li a0, 1 << 41\n ctzw a1, a0\n li a0, 1 << 31\n ctzw a2, a0\n ctzw a3, zero");
      expect([ending.x("a1"), ending.x("a2"), ending.x("a3")]).toEqual([32n, 31n, 32n]);
    });

    test("Zicsr: CSRRS and CSRRC with a register other than x0 write, and so are illegal on a read-only CSR", () => {
      expect(run("li a0, 0\n csrrs a1, mhartid, a0").cause).toBe(ILLEGAL);
      expect(run("li a0, 0\n csrrc a1, mhartid, a0").cause).toBe(ILLEGAL);
      expect(run("csrrs a1, mhartid, zero").cause).toBe("completed");
      expect(run("csrrsi a1, mhartid, 0").cause).toBe("completed");
    });

    test("section 4.1.1.2: MXR makes executable pages readable", () => {
      const page = 0x4000_0000;
      const map = (m: (va: number, pa: number, flags: number) => void): void => m(page, DATA, USER_PAGE & ~6);
      const body = `li t0, ${page}\n ld a0, 0(t0)`;
      expect(run(body, { mode: "user", map }).cause).toBe(LOAD_PAGE);
      expect(run(body, { mode: "user", map, setup: "li t0, 1 << 19\n csrs mstatus, t0" }).cause).toBe(
        "completed",
      );
    });
  });
});

import { Pte } from "@isomorph/mmu";
import { describe, expect, test } from "vitest";
import {
  attempt,
  DATA,
  type Ending,
  HOLE,
  type Mode,
  ORIGIN,
  SUPERVISOR_PAGE,
  TIERS,
  USER_PAGE,
} from "./machine.ts";

const LOAD_MISALIGNED = 4;
const LOAD_ACCESS = 5;
const STORE_MISALIGNED = 6;
const STORE_ACCESS = 7;
const FETCH_ACCESS = 1;
const ILLEGAL = 2;
const FETCH_PAGE = 12;
const LOAD_PAGE = 13;
const STORE_PAGE = 15;

/** Virtual pages for the tests, away from the program. */
const PAGE = 0x4000_0000;

describe.each(TIERS)("$name", (tier) => {
  const run = (body: string, rest: Partial<Parameters<typeof attempt>[0]> = {}): Ending =>
    attempt({ tier, mode: "machine", body, ...rest });

  describe("A extension", () => {
    test.each([
      ["lr.w", "lr.w a0, (t0)", 2, LOAD_MISALIGNED],
      ["lr.d", "lr.d a0, (t0)", 4, LOAD_MISALIGNED],
      ["sc.w", "sc.w a0, a1, (t0)", 2, STORE_MISALIGNED],
      ["sc.d", "sc.d a0, a1, (t0)", 4, STORE_MISALIGNED],
      ["amoadd.w", "amoadd.w a0, a1, (t0)", 1, STORE_MISALIGNED],
      ["amoswap.d", "amoswap.d a0, a1, (t0)", 4, STORE_MISALIGNED],
      ["amomaxu.d", "amomaxu.d a0, a1, (t0)", 7, STORE_MISALIGNED],
    ])("chapter 13: %s must be naturally aligned", (name, instruction, offset, cause) => {
      const reservation = name.startsWith("sc") ? `li t1, ${DATA}\n lr.d a2, (t1)\n` : "";
      const ending = run(`${reservation} li t0, ${DATA + offset}\n ${instruction}`);
      // A store-conditional that fails in any case need not look at its address.
      if (name.startsWith("sc") && ending.cause === "completed") expect(ending.x("a0")).toBe(1n);
      else expect([ending.cause, ending.tval]).toEqual([cause, BigInt(DATA + offset)]);
    });

    test("chapter 13: an AMO faults as a store, where nothing may be read or written", () => {
      expect(run(`li t0, ${HOLE}\n amoadd.d a0, a1, (t0)`).cause).toBe(STORE_ACCESS);
      expect(run(`li t0, ${HOLE}\n lr.d a0, (t0)`).cause).toBe(LOAD_ACCESS);
      const map = (flags: number) => (m: (va: number, pa: number, flags: number) => void) =>
        m(PAGE, DATA, flags);
      const mode = "supervisor";
      const readOnly = Pte.V | Pte.R | Pte.A | Pte.D;
      const body = (instruction: string): string => `li t0, ${PAGE}\n ${instruction}`;
      expect(run(body("amoor.w a0, a1, (t0)"), { mode, map: map(0) }).cause).toBe(STORE_PAGE);
      expect(run(body("amoor.w a0, a1, (t0)"), { mode, map: map(readOnly) }).cause).toBe(STORE_PAGE);
      expect(run(body("lr.w a0, (t0)"), { mode, map: map(readOnly) }).cause).toBe("completed");
      expect(run(body("lr.w a0, (t0)"), { mode, map: map(0) }).cause).toBe(LOAD_PAGE);
    });

    test.each([
      ["the reservation stands", "lr.d a1, (t0)\n sc.d a0, t2, (t0)", 0n, 7n],
      ["there is none", "sc.d a0, t2, (t0)", 1n, 0n],
      ["the one before was used", "lr.d a1, (t0)\n sc.d a2, zero, (t0)\n sc.d a0, t2, (t0)", 1n, 0n],
      ["a failed SC came between", "lr.d a1, (t0)\n sc.d a2, t2, (t1)\n sc.d a0, t2, (t0)", 1n, 0n],
      ["it is for another address", "lr.d a1, (t1)\n sc.d a0, t2, (t0)", 1n, 0n],
    ])("section 13.2: SC when %s", (_name, body, result, stored) => {
      const ending = run(`li t0, ${DATA}\n li t1, ${DATA + 256}\n li t2, 7\n ${body}`);
      expect([ending.cause, ending.x("a0"), ending.dword(DATA)]).toEqual(["completed", result, stored]);
    });

    test("section 13.2: a store between by the same hart that changes the value makes SC fail or keeps its own", () => {
      const ending = run(`li t0, ${DATA}\n li t2, 7\n lr.d a1, (t0)\n sd t0, 0(t0)\n sc.d a0, t2, (t0)`);
      expect(ending.dword(DATA)).toBe(ending.x("a0") === 0n ? 7n : BigInt(DATA));
    });

    test("section 13.3: an LR/SC loop ends", () => {
      const body = `li t0, ${DATA}\n li t1, 100\n 1: lr.w a0, (t0)\n addi a0, a0, 3\n sc.w a1, a0, (t0)\n bnez a1, 1b
        addi t1, t1, -1\n bnez t1, 1b\n lw a0, (t0)`;
      expect(run(body).x("a0")).toBe(300n);
    });
  });

  describe("instruction fetch", () => {
    // The instruction's first half is the last halfword of a page.
    const straddling = `li t0, ${PAGE + 4094}\n jr t0`;
    const split = (flags: number) => (map: (va: number, pa: number, flags: number) => void) => {
      map(PAGE, DATA, SUPERVISOR_PAGE);
      map(PAGE + 4096, DATA + 0x2000, flags);
    };
    // li a0, 42 in 32 bits, then ecall, over two pages that are apart in memory.
    const code = (_hart: unknown, processor: { memory: { data: DataView } }): void => {
      processor.memory.data.setUint16(DATA + 4094 - ORIGIN, 0x0513, true);
      processor.memory.data.setUint16(DATA + 0x2000 - ORIGIN, 0x02a0, true);
      processor.memory.data.setUint32(DATA + 0x2002 - ORIGIN, 0x73, true);
    };

    test("section 3.1.16: an instruction over two pages, and one whose second page faults", () => {
      const mode = "supervisor";
      const whole = run(straddling, { mode, map: split(SUPERVISOR_PAGE), prepare: code });
      expect([whole.cause, whole.x("a0")]).toEqual([9, 42n]);
      const faulting = run(straddling, { mode, map: split(SUPERVISOR_PAGE & ~Pte.X), prepare: code });
      expect([faulting.cause, faulting.tval, faulting.x("s4")]).toEqual([
        FETCH_PAGE,
        BigInt(PAGE + 4096),
        BigInt(PAGE + 4094),
      ]);
    });

    test("section 3.1.16: fetches from where there is nothing, and from a page of the other mode", () => {
      expect(run(`li t0, ${HOLE}\n jr t0`)).toMatchObject({ cause: FETCH_ACCESS, tval: BigInt(HOLE) });
      const map = (m: (va: number, pa: number, flags: number) => void): void => m(PAGE, DATA, USER_PAGE);
      const ending = run(`li t0, ${PAGE}\n jr t0`, { mode: "supervisor", map });
      expect(ending).toMatchObject({ cause: FETCH_PAGE, tval: BigInt(PAGE) });
    });

    test("section 4.3.2: a page table where there is no memory is an access fault of the original access", () => {
      const table = (m: (va: number, pa: number, flags: number) => void): void =>
        m(PAGE, DATA, SUPERVISOR_PAGE);
      const setup = `li t0, 0x80080008\n li t1, ${((HOLE / 4096) << 10) | Pte.V}\n sd t1, 0(t0)\n sfence.vma`;
      const at = (instruction: string): Ending =>
        run(`li t0, ${PAGE}\n ${instruction}`, { mode: "supervisor", map: table, setup });
      expect(at("ld a0, 0(t0)").cause).toBe(LOAD_ACCESS);
      expect(at("sd a0, 0(t0)").cause).toBe(STORE_ACCESS);
      expect(at("jr t0").cause).toBe(FETCH_ACCESS);
    });
  });

  describe("A and D bits", () => {
    const flags = Pte.V | Pte.R | Pte.W;
    const map = (extra: number) => (m: (va: number, pa: number, flags: number) => void) =>
      m(PAGE, DATA, flags | extra);
    const ADUE = "li t0, 1 << 61\n csrs menvcfg, t0";
    const at = (instruction: string, extra: number, setup = ""): Ending =>
      run(`li t0, ${PAGE}\n ${instruction}`, { mode: "supervisor", map: map(extra), setup });

    test("Svade: clear bits are page faults while menvcfg.ADUE is clear", () => {
      expect(at("ld a0, 0(t0)", 0).cause).toBe(LOAD_PAGE);
      expect(at("ld a0, 0(t0)", Pte.A).cause).toBe("completed");
      expect(at("sd a0, 0(t0)", Pte.A).cause).toBe(STORE_PAGE);
      expect(at("sd a0, 0(t0)", Pte.A | Pte.D).cause).toBe("completed");
    });

    test("Svadu: hardware sets them while menvcfg.ADUE is set", () => {
      // The root comes first, then the tables of the program, then those of the page.
      const leaf = (ending: Ending): bigint =>
        [1, 2, 3, 4, 5, 6]
          .map((page) => ending.dword(0x8008_0000 + 4096 * page))
          .find((pte) => pte >> 10n === BigInt(DATA / 4096)) ?? 0n;
      const loaded = at("ld a0, 0(t0)", 0, ADUE);
      expect([loaded.cause, leaf(loaded) & 0xffn]).toEqual(["completed", BigInt(flags | Pte.A)]);
      const stored = at("sd a0, 0(t0)", 0, ADUE);
      expect([stored.cause, leaf(stored) & 0xffn]).toEqual(["completed", BigInt(flags | Pte.A | Pte.D)]);
    });
  });

  describe("cache blocks", () => {
    const CBZE = 1 << 7;
    const CBCFE = 1 << 6;
    const CBIE = [0, 1 << 4, 3 << 4] as const;
    const operations = [
      ["cbo.zero", CBZE],
      ["cbo.clean", CBCFE],
      ["cbo.flush", CBCFE],
      ["cbo.inval", CBIE[1]],
      ["cbo.inval", CBIE[2]],
    ] as const;

    test.each(operations)("CMO, section on control: %s with %i in menvcfg and senvcfg", (name, bits) => {
      const legal = (mode: Mode, machine: number, supervisor: number): boolean => {
        const setup = `li t0, ${machine}\n csrw menvcfg, t0\n li t0, ${supervisor}\n csrw senvcfg, t0`;
        const { cause } = run(`li t0, ${DATA}\n ${name} (t0)`, { mode, setup });
        expect(["completed", ILLEGAL]).toContain(cause);
        return cause === "completed";
      };
      expect(legal("machine", 0, 0)).toBe(true);
      expect(legal("supervisor", 0, bits)).toBe(false);
      expect(legal("supervisor", bits, 0)).toBe(true);
      expect(legal("user", bits, 0)).toBe(false);
      expect(legal("user", 0, bits)).toBe(false);
      expect(legal("user", bits, bits)).toBe(true);
    });

    test("Zicboz: zeroes the 64 bytes around the address and nothing else", () => {
      const fill = `li t0, ${DATA}\n li t1, -1\n li t2, 24\n 1: sd t1, 0(t0)\n addi t0, t0, 8\n addi t2, t2, -1\n bnez t2, 1b`;
      const ending = run(`${fill}\n li t0, ${DATA + 64 + 37}\n cbo.zero (t0)`);
      const dwords = Array.from({ length: 24 }, (_, n) => ending.dword(DATA + 8 * n));
      expect(dwords).toEqual(dwords.map((_, n) => (n >= 8 && n < 16 ? 0n : (1n << 64n) - 1n)));
    });

    test("Zicboz and Zicbom: faults are those of a store; management needs any right to the page", () => {
      const setup = `li t0, ${CBZE | CBCFE | CBIE[2]}\n csrw menvcfg, t0`;
      const at = (instruction: string, flags: number): Ending =>
        run(`li t0, ${PAGE + 5}\n ${instruction} (t0)`, {
          mode: "supervisor",
          setup,
          map: (m) => m(PAGE, DATA, flags === 0 ? 0 : flags | Pte.V | Pte.A | Pte.D),
        });
      for (const name of ["cbo.zero", "cbo.clean", "cbo.flush", "cbo.inval"]) {
        expect(at(name, 0).cause).toBe(STORE_PAGE);
        expect(at(name, Pte.R | Pte.W).cause).toBe("completed");
        expect(at(name, Pte.R).cause).toBe(name === "cbo.zero" ? STORE_PAGE : "completed");
        expect(run(`li t0, ${HOLE}\n ${name} (t0)`).cause).toBe(STORE_ACCESS);
      }
    });
  });
});

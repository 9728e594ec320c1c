import { describe, expect, it } from "vitest";
import { fieldMask } from "../src/csr/description.ts";
import { csrByName, csrName } from "../src/csr/names.ts";
import { prepareSupervisor } from "../src/csr/reset.ts";
import { findImpossibleCsr } from "../src/csr/stored.ts";
import { CSRS, Menvcfg, Mstatus } from "../src/csr/table.ts";
import { State } from "../src/state.ts";
import { CsrHarness } from "./csr-harness.ts";

const ALL = 2n ** 64n - 1n;

describe("table of CSRs", () => {
  it("has each name and address once, and both ways between them", () => {
    expect(new Set(CSRS.map(({ name }) => name)).size).toBe(CSRS.length);
    expect(new Set(CSRS.map(({ address }) => address)).size).toBe(CSRS.length);
    for (const { name, address } of CSRS) {
      expect([csrByName(name), csrName(address)]).toEqual([address, name]);
    }
    expect([csrByName("nonsense"), csrName(0x7ff)]).toEqual([undefined, undefined]);
    expect([csrByName("satp"), csrByName("hpmcounter31"), csrByName("stimecmp")]).toEqual([
      0x180, 0xc1f, 0x14d,
    ]);
  });

  it("has no overlapping fields", () => {
    for (const { name, rule } of CSRS) {
      if (rule.kind !== "register") continue;
      let taken = 0n;
      for (const field of rule.fields) {
        const mask = fieldMask(field);
        expect({ name, field: field.name, overlap: taken & mask }).toEqual({
          name,
          field: field.name,
          overlap: 0n,
        });
        taken |= mask;
      }
    }
  });
});

describe("M-mode CSRs", () => {
  it("section 3.1.1: misa says RV64IMAFDC with S and U, and cannot be changed", () => {
    const hart = new CsrHarness();
    hart.write("misa", 0n);
    expect(hart.read("misa")).toBe(0x8000_0000_0014_112dn);
  });

  it("section 3.1.6: UXL and SXL are 64 bits; MPP refuses the reserved mode and keeps its value", () => {
    const hart = new CsrHarness();
    hart.write("mstatus", 0n);
    expect(hart.read("mstatus")).toBe(0xa_0000_0000n);
    for (const [written, kept] of [
      [3n, 3n],
      [2n, 3n],
      [1n, 1n],
      [2n, 1n],
      [0n, 0n],
      [2n, 0n],
    ] as const) {
      hart.write("mstatus", written << 11n);
      expect((hart.read("mstatus") >> 11n) & 3n).toBe(kept);
    }
  });

  it("section 3.1.6.6: SD says that FS is dirty, in mstatus and sstatus; VS does not exist", () => {
    const hart = new CsrHarness();
    for (const [fs, dirty] of [
      [0n, 0n],
      [1n, 0n],
      [2n, 0n],
      [3n, 1n],
    ] as const) {
      hart.write("mstatus", (fs << 13n) | 0x600n);
      expect([hart.read("mstatus") >> 63n, hart.read("sstatus") >> 63n]).toEqual([dirty, dirty]);
      expect(hart.read("mstatus") & 0x600n).toBe(0n);
    }
  });

  it("section 3.1.14: bit 0 of the exception program counters is zero", () => {
    const hart = new CsrHarness();
    for (const name of ["mepc", "sepc"]) {
      hart.write(name, ALL);
      expect(hart.read(name)).toBe(ALL - 1n);
    }
  });

  it("section 3.1.18: CBIE refuses the reserved encoding; ADUE and STCE are there with their extensions only", () => {
    const full = new CsrHarness();
    full.write("menvcfg", 0x10n);
    full.write("menvcfg", 0x2fn);
    expect(full.read("menvcfg")).toBe(0x11n);
    full.write("menvcfg", ALL);
    expect(full.read("menvcfg")).toBe(0xa000_0000_0000_00f1n);
    const bare = new CsrHarness({ sstc: false, svadu: false });
    bare.write("menvcfg", ALL);
    expect(bare.read("menvcfg")).toBe(0xf1n);
    expect([bare.legal("stimecmp"), full.legal("stimecmp")]).toEqual([false, true]);
  });

  it("section 3.1.11: the counter-enable registers have 32 bits", () => {
    const hart = new CsrHarness();
    for (const name of ["mcounteren", "scounteren"]) {
      hart.write(name, ALL);
      expect(hart.read(name)).toBe(0xffff_ffffn);
    }
  });

  it("section 3.1.10: counters that do not exist read zero and are legal", () => {
    const hart = new CsrHarness();
    for (const name of ["mhpmcounter3", "mhpmcounter31", "mhpmevent3", "mhpmevent31", "hpmcounter31"]) {
      hart.write(name, ALL);
      expect([hart.legal(name), hart.read(name)]).toEqual([true, 0n]);
    }
  });

  it("section 2.1: writes to read-only CSRs are illegal, and ignored all the same", () => {
    const hart = new CsrHarness();
    for (const { name, address } of CSRS.filter((csr) => csr.address >> 10 === 3)) {
      expect([name, hart.legal(address), hart.legal(address, true)]).toEqual([name, true, false]);
    }
    hart.write("mhartid", 7n);
    expect(hart.read("mhartid")).toBe(0n);
    expect(new CsrHarness({ sstc: true, svadu: true }, { mode: 3, hart: 5 }).read("mhartid")).toBe(5n);
  });

  it("section 3.7.1: pmpaddr has 54 bits; an entry cannot be writable without being readable", () => {
    const hart = new CsrHarness();
    hart.write("pmpaddr3", ALL);
    expect(hart.read("pmpaddr3")).toBe((1n << 54n) - 1n);
    hart.write("pmpcfg0", 0x7a_1a_1b_02n);
    expect(hart.read("pmpcfg0")).toBe(0x18_18_1b_00n);
    expect(hart.calls).toEqual(["pmp", "pmp"]);
  });
});

describe("what a write sets in motion", () => {
  it("contexts follow MPRV, MPP, SUM and MXR, and nothing else in mstatus", () => {
    const hart = new CsrHarness();
    for (const mask of [Mstatus.MPRV, Mstatus.MPP, Mstatus.SUM, Mstatus.MXR]) {
      hart.calls.length = 0;
      hart.setBits("mstatus", mask);
      hart.setBits("mstatus", mask);
      expect(hart.calls).toEqual(["contexts"]);
    }
    hart.calls.length = 0;
    hart.clearBits("sstatus", Mstatus.SUM);
    expect(hart.calls).toEqual(["contexts"]);
    hart.calls.length = 0;
    hart.setBits("mstatus", Mstatus.SIE | Mstatus.MIE | Mstatus.FS | Mstatus.TVM | Mstatus.SPP);
    expect(hart.calls).toEqual([]);
  });

  it("section 4.1.11: satp tells the MMU the old value; an unsupported mode changes nothing", () => {
    const hart = new CsrHarness();
    const sv39 = (8n << 60n) | (0xffffn << 44n) | 0x80000n;
    hart.write("satp", sv39);
    hart.write("satp", (7n << 60n) | 1n);
    hart.write("satp", sv39);
    expect(hart.read("satp")).toBe(sv39);
    expect(hart.calls).toEqual(["satp", 0n]);
    hart.write("satp", (10n << 60n) | 5n);
    expect(hart.calls.slice(2)).toEqual(["satp", sv39]);
  });

  it("whatever can unmask an interrupt asks for attention when one is pending", () => {
    const hart = new CsrHarness();
    hart.write("mip", 2n);
    expect(hart.get32(State.ATTENTION)).toBe(0);
    hart.write("mie", 2n);
    for (const unmask of [
      () => hart.write("mie", 2n),
      () => hart.write("mip", 2n),
      () => hart.write("mideleg", 2n),
      () => hart.setBits("mstatus", Mstatus.MIE),
      () => hart.setBits("sstatus", Mstatus.SIE),
      () => hart.setBits("sie", 2n),
      () => hart.setBits("sip", 2n),
      () => hart.mret(),
      () => hart.sret(),
    ]) {
      hart.set32(State.ATTENTION, 0);
      unmask();
      expect([String(unmask), hart.get32(State.ATTENTION)]).toEqual([String(unmask), 1]);
    }
  });

  it("section 3.1.6.6: writes to fflags, frm and fcsr make the state dirty, reads do not", () => {
    const hart = new CsrHarness();
    for (const name of ["fflags", "frm", "fcsr"]) {
      hart.write("mstatus", 1n << 13n);
      hart.read(name);
      expect(hart.read("mstatus") & Mstatus.FS).toBe(1n << 13n);
      hart.write(name, 0n);
      expect(hart.read("mstatus") & Mstatus.FS).toBe(Mstatus.FS);
    }
    hart.write("fcsr", 0b111_10101n);
    expect([hart.read("frm"), hart.read("fflags"), hart.get32(State.FRM), hart.get32(State.FFLAGS)]).toEqual([
      7n,
      0b10101n,
      7,
      0b10101,
    ]);
  });
});

describe("counters", () => {
  it("instruction number k reads k from instret, and a debugger after it k + 1", () => {
    const hart = new CsrHarness();
    hart.set64(State.RETIRED_LIMIT, 50n);
    hart.set32(State.REMAINING, 50);
    for (let k = 0n; k < 3n; k++) {
      hart.step();
      expect([hart.read("instret"), hart.read("minstret"), hart.read("cycle")]).toEqual([k, k, k]);
    }
    expect([hart.inspect("instret"), hart.inspect("mcycle")]).toEqual([3n, 3n]);
  });

  it("the instruction after a write reads what was written, whether an instruction or a debugger wrote", () => {
    const hart = new CsrHarness();
    hart.step();
    hart.write("minstret", 7n);
    expect(hart.inspect("minstret")).toBe(7n);
    hart.step();
    expect(hart.read("instret")).toBe(7n);
    hart.step(10);
    expect(hart.read("instret")).toBe(17n);
    expect(hart.read("cycle")).not.toBe(17n);
  });

  it("section 3.1.12: mcountinhibit stops a counter where it is and lets it go on from there", () => {
    const hart = new CsrHarness();
    hart.step();
    hart.write("minstret", 100n);
    hart.step();
    hart.write("mcountinhibit", 4n);
    hart.step(20);
    expect([hart.read("minstret"), hart.inspect("minstret")]).toEqual([101n, 101n]);
    hart.step();
    hart.write("minstret", 500n);
    hart.step(20);
    expect(hart.read("minstret")).toBe(500n);
    hart.write("mcountinhibit", 0n);
    hart.step();
    expect(hart.read("minstret")).toBe(500n);
    hart.step();
    expect(hart.read("minstret")).toBe(501n);
  });

  it("time is the machine's clock", () => {
    const hart = new CsrHarness();
    hart.now = 2 ** 40 + 3;
    expect(hart.read("time")).toBe(2n ** 40n + 3n);
  });
});

describe("mip (section 3.1.9)", () => {
  it("CSRRS and CSRRC take software's SEIP, not the line", () => {
    const hart = new CsrHarness();
    hart.set64(State.LINES, 0x200n);
    hart.set64(State.MIP, 0x200n);
    hart.setBits("mip", 2n);
    expect([hart.read("mip"), hart.get64(State.SOFTWARE_MIP)]).toEqual([0x202n, 0n]);
    hart.clearBits("mip", 2n);
    expect([hart.read("mip"), hart.get64(State.SOFTWARE_MIP)]).toEqual([0x200n, 0n]);
    hart.setBits("mip", 0x200n);
    expect([hart.read("mip"), hart.get64(State.SOFTWARE_MIP)]).toEqual([0x200n, 0x200n]);
    hart.clearBits("mip", 0x200n);
    expect([hart.read("mip"), hart.get64(State.SOFTWARE_MIP)]).toEqual([0x200n, 0n]);
  });

  it("a write through sip leaves SEIP alone on both sides", () => {
    const hart = new CsrHarness();
    hart.set64(State.LINES, 0x200n);
    hart.set64(State.MIP, 0x200n);
    hart.write("mideleg", 0x222n);
    hart.write("sip", ALL);
    expect([hart.read("mip"), hart.get64(State.SOFTWARE_MIP)]).toEqual([0x202n, 0n]);
  });

  it("MSIP, MTIP and MEIP cannot be written", () => {
    const hart = new CsrHarness();
    hart.write("mip", ALL);
    expect(hart.read("mip")).toBe(0x222n);
  });
});

describe("Sstc", () => {
  it("chapter 2: STIP follows the clock while STCE is set, and is software's to write otherwise", () => {
    const hart = new CsrHarness();
    hart.now = 99;
    hart.write("stimecmp", 100n);
    hart.write("mip", 0x20n);
    hart.write("menvcfg", Menvcfg.STCE);
    expect(hart.read("mip")).toBe(0n);
    hart.write("mie", 0x20n);
    hart.set32(State.ATTENTION, 0);
    hart.updateTimer();
    expect([hart.read("mip"), hart.get32(State.ATTENTION)]).toEqual([0n, 0]);
    hart.now = 100;
    hart.updateTimer();
    expect([hart.read("mip"), hart.get32(State.ATTENTION)]).toEqual([0x20n, 1]);
    hart.write("mip", 0n);
    expect(hart.read("mip")).toBe(0x20n);
    hart.write("stimecmp", 2n ** 63n);
    expect(hart.read("mip")).toBe(0n);
    hart.write("stimecmp", 0n);
    hart.write("menvcfg", 0n);
    hart.write("mip", 0n);
    hart.updateTimer();
    expect(hart.read("mip")).toBe(0n);
  });
});

describe("state from outside", () => {
  const isa = { sstc: true, svadu: true };

  it("is possible when writes led to it", () => {
    const hart = new CsrHarness(isa);
    expect(findImpossibleCsr(hart.view, hart.state, isa)).toBeUndefined();
    for (const { name } of CSRS) hart.write(name, ALL);
    expect(findImpossibleCsr(hart.view, hart.state, isa)).toBeUndefined();
    prepareSupervisor(hart.view, hart.state);
    expect(findImpossibleCsr(hart.view, hart.state, isa)).toBeUndefined();
  });

  it("is named when it breaks a rule", () => {
    const impossible = (offset: number, value: bigint, present = isa): string | undefined => {
      const hart = new CsrHarness(isa);
      hart.set64(offset, value);
      return findImpossibleCsr(hart.view, hart.state, present);
    };
    expect([
      impossible(State.MSTATUS, 0n),
      impossible(State.MSTATUS, 0xa_0000_1000n),
      impossible(State.SATP, 7n << 60n),
      impossible(State.MTVEC, 2n),
      impossible(State.MEPC, 1n),
      impossible(State.MIDELEG, 0x80n),
      impossible(State.MENVCFG, Menvcfg.ADUE),
      impossible(State.MENVCFG, Menvcfg.ADUE, { sstc: true, svadu: false }),
      impossible(State.PMPCFG + 8, 0x02n),
      impossible(State.PMPADDR + 24, ALL),
      impossible(State.MIP, 1n),
      impossible(State.MODE, 2n),
      impossible(State.FFLAGS, 32n),
    ]).toEqual([
      ...[
        "mstatus",
        "mstatus",
        "satp",
        "mtvec",
        "mepc",
        "mideleg",
        undefined,
        "menvcfg",
        "pmpcfg2",
        "pmpaddr3",
      ],
      ...["MIP", "MODE", "fflags"],
    ]);
  });
});

describe("a supervisor without firmware", () => {
  it("finds what M-mode firmware would have set up", () => {
    const hart = new CsrHarness();
    prepareSupervisor(hart.view, hart.state);
    expect(hart.get32(State.MODE)).toBe(1);
    expect(hart.get32(State.FIRMWARE_IN_VMM)).toBe(1);
    const values = ["medeleg", "mideleg", "mcounteren", "menvcfg", "pmpcfg0", "pmpaddr0", "stimecmp"].map(
      (name) => hart.read(name),
    );
    expect(values).toEqual([0xb1ffn, 0x222n, 7n, 0xa000_0000_0000_00f0n, 0x1fn, (1n << 54n) - 1n, ALL]);
    expect(["time", "stimecmp", "satp", "sstatus"].map((name) => hart.legal(name))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(hart.legal("mstatus")).toBe(false);
  });

  it("reset forgets everything but the levels of the lines", () => {
    const hart = new CsrHarness();
    const fresh = CSRS.map(({ name }) => [name, hart.read(name)]);
    const dirty = new CsrHarness();
    for (const { name } of CSRS) if (name !== "mcountinhibit") dirty.write(name, ALL);
    dirty.set64(State.LINES, 0n);
    dirty.reset();
    expect(CSRS.map(({ name }) => [name, dirty.read(name)])).toEqual(fresh);
    dirty.set64(State.LINES, 0x80n);
    dirty.reset();
    expect(dirty.read("mip")).toBe(0x80n);
  });
});

import { describe, expect, test } from "vitest";
import { Assembler, AssemblyError, assemble } from "../src/asm.ts";
import { disassemble } from "../src/disasm.ts";
import { findCompressed } from "../src/isa/compressed.ts";
import { INSTRUCTIONS } from "../src/isa/index.ts";
import { gnuAssemble, isInBinutils } from "./binutils.ts";
import { Random } from "./random.ts";

const ORIGIN = 0x80000000;

function words(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true).toString(16));
}

/** Assembles with both and expects the same bytes after the first `skip`. */
function expectSame(source: string, origin = ORIGIN, skip = 0): void {
  const ours = assemble(source, { origin }).bytes.slice(skip);
  expect(words(ours)).toEqual(words(gnuAssemble(source, origin).slice(skip)));
}

/** Room for targets on both sides: GNU as takes a target outside the section for one that it cannot reach. */
const ROOM = 1 << 20;

describe("instructions", () => {
  test("every instruction with random operands has the bytes that GNU as gives it", () => {
    const random = new Random(1);
    const source: string[] = [];
    const known = INSTRUCTIONS.filter(isInBinutils);
    for (const { match, mask } of known) {
      for (let tries = 0; tries < 40; tries++) {
        const pc = ORIGIN + ROOM + 4 * source.length;
        const text = disassemble((match | (random.bits() & ~mask)) >>> 0, pc).text;
        if (text.startsWith(".")) continue;
        // GNU as 2.40 takes the exact conversions without rounding mode only.
        if (/^fcvt\.(d\.(s|w|wu|h)|s\.h) .*, (rtz|rdn|rup|rmm|dyn)$/.test(text)) continue;
        // Far targets become labels in the same place, so that both have to compute the distance.
        source.push(text.replace(/ 0x8[0-9a-f]{7}$/, (target) => ` . + (${Number(target) - pc})`));
      }
    }
    expect(source.length).toBeGreaterThan(20 * known.length);
    expectSame(`.zero ${ROOM}\n${source.join("\n")}\n.zero ${ROOM}`, ORIGIN, ROOM);
  });

  test("every compressed instruction has the bytes that GNU as gives it", () => {
    const random = new Random(4);
    const source: string[] = [];
    for (let count = 0; count < 8000; count++) {
      const half = (random.below(65536) & ~3) | random.below(3);
      if (!isInBinutils(findCompressed(half))) continue;
      const text = disassemble(half, ORIGIN).text;
      // Hints that GNU as refuses or calls by other names.
      if (text.startsWith(".") || /c\.(nop|slli|srli|srai|j|beqz|bnez)\b/.test(text)) continue;
      source.push(text);
    }
    source.push("c.slli a0, 63", "c.srli a0, 1", "c.srai s1, 33", "c.nop");
    source.push("1: c.j 1b", "c.beqz a0, 1b", "c.bnez s1, 1f", "c.j 1f", "1: c.nop", "c.nop");
    if (source.length % 2 === 1) source.push("c.nop");
    const text = source.join("\n");
    expect(words(assemble(text).bytes)).toEqual(words(gnuAssemble(`.option rvc\n${text}`)));
  });

  test("constants of every size", () => {
    const random = new Random(5);
    const values: bigint[] = [
      0n,
      1n,
      -1n,
      2047n,
      2048n,
      -2048n,
      -2049n,
      0x7ffff7ffn,
      0x7ffff800n,
      0x7fffffffn,
    ];
    values.push(
      -0x80000000n,
      0x80000000n,
      0xffffffffn,
      1n << 63n,
      (1n << 63n) - 1n,
      (1n << 64n) - 1n,
      0xfff0000000000000n,
    );
    for (let bit = 0n; bit < 64n; bit++) values.push(1n << bit, (1n << bit) - 1n, -(1n << bit));
    for (let count = 0; count < 1000; count++) values.push(random.bits64() >> BigInt(random.below(64)));
    const source = values.map((value, index) => `li a${index % 8}, ${value}`).join("\n");
    // GNU as starts some constants with an addiw from x0 where we have an addi: the same value.
    const gnu = words(gnuAssemble(source)).map((word) => {
      const value = Number.parseInt(word, 16);
      return (value & 0xff07f) === 0x1b ? ((value ^ 0x08) >>> 0).toString(16) : word;
    });
    expect(words(assemble(source).bytes)).toEqual(gnu);
  });

  test("pseudo-instructions", () => {
    const source = `
      nop; ret; mv a0, s1; not t0, t1; neg a0, a1; negw a0, a1; sext.w a0, a1; zext.b a0, a1; zext.w a0, a1
      seqz a0, a1; snez a0, a1; sltz a0, a1; sgtz a0, a1
      1: beqz a0, 1b; bnez a0, 1f; blez a0, 1b; bgez a0, 1b; bltz a0, 1f; bgtz a0, 1b
      bgt a0, a1, 1b; ble a0, a1, 1b; bgtu a0, a1, 1f; bleu a0, a1, 1b
      1: j 1b; jal 1b; jal t0, 1b; jr a0; jalr a0; jalr t0, 8(a0)
      call far; tail far; la a0, far; lla a1, data
      csrr a0, mstatus; csrw satp, a0; csrs mie, a0; csrc sip, a1; csrwi fcsr, 5; csrsi mstatus, 8; csrci sstatus, 2
      rdinstret a0; rdcycle a1; rdtime a2; frcsr a0; fscsr a0; frrm a0; fsrm a0; frflags a0; fsflags a0
      fmv.s fa0, fa1; fabs.s fa0, fa1; fneg.s fa0, fa1; fmv.d fa0, fa1; fabs.d fa0, fa1; fneg.d fa0, fa1
      fence; fence rw, w; fence.tso; fence.i; sfence.vma; sfence.vma a0; sfence.vma a0, a1; unimp
      ecall; ebreak; mret; sret; wfi
      lw a0, (a1); lw a0, -4(fp); sd x5, 2047(x2); fld fa0, %lo(data)(a0); lr.w.aq a0, (a1); sc.d.aqrl a0, a1, (a2)
      amoadd.w.rl a0, a1, (s0); cbo.zero (a0); cbo.inval 0(a0); cbo.clean (t0); cbo.flush (t0)
      fadd.s fa0, fa1, fa2; fadd.s fa0, fa1, fa2, rtz; fcvt.w.d a0, fa0, rtz; fcvt.d.w fa0, a0; fmadd.d f0, f1, f2, f3, rup
      lui a0, %hi(data); addi a0, a0, %lo(data)
      2: auipc a0, %pcrel_hi(far); addi a0, a0, %pcrel_lo(2b); sd a1, %pcrel_lo(2b)(a0)
      .zero 4096
      far: nop
      data: .word 1
    `;
    // Absolute addresses in lui and addi reach 2 GiB only, so the program starts low.
    expectSame(source, 0x10000);
  });
});

describe("directives", () => {
  test("data, alignment and strings have the bytes that GNU as gives them", () => {
    const source = `
      .byte 1, -1, 255, 'a'
      .balign 2
      .half 0x1234, -2   # a comment; with a semicolon
      .align 3
      start: .word 0xdeadbeef, start # another comment
      .dword -1, 0xfedcba9876543210, end - start, ((((3 + 4) * 5) << 2) & ~1) | (1 ^ 8)
      .ascii "a#b;c\\t\\"", "d"
      .asciz "zero, ended"
      .zero 5
      .equ size, 0x30
      .balign 8
      li a0, size * 2
      addi a0, a0, size - 1
      end: .word end, 0
    `;
    expectSame(source, 0x10000);
  });

  test(".org continues at an address", () => {
    const { bytes, symbols } = assemble("nop\n.org 0x1010\nhere: nop", { origin: 0x1000 });
    expect(words(bytes)).toEqual(["13", "0", "0", "0", "13"]);
    expect(symbols.get("here")).toBe(0x1010n);
  });
});

describe("calls", () => {
  test("give what text gives", () => {
    const program = new Assembler({ origin: ORIGIN })
      .label("start")
      .emit("li", "a0", 0x123456789abcdef0n)
      .emit("lw", "a1", -4, "sp")
      .emit("beq", "a0", "a1", "end")
      .emit("j", "start")
      .data("dword", "end", 5n)
      .align(8)
      .label("end")
      .emit("csrrw", "zero", 0x300, "a0")
      .finish();
    const text = `
      start: li a0, 0x123456789abcdef0
      lw a1, -4(sp)
      beq a0, a1, end
      j start
      .dword end, 5
      .balign 8
      end: csrrw zero, mstatus, a0`;
    expect(program).toEqual(assemble(text, { origin: ORIGIN }));
    expect(program.symbols.get("start")).toBe(BigInt(ORIGIN));
  });
});

describe("mistakes name the line and the token", () => {
  const cases: readonly (readonly [source: string, line: number, token: string, message: RegExp])[] = [
    ["nop\nfoo a0, a1", 2, "foo", /unknown instruction "foo"/],
    ["addi a0, b1, 4", 1, "b1", /"b1" is not an integer register/],
    ["fadd.s fa0, a1, fa2", 1, "a1", /not a floating-point register/],
    ["nop\n\naddi a0, a1, 2048", 3, "2048", /2048 is not .* 12 signed bits/],
    ["addi a0, a1", 1, "addi", /takes the operands "rd, rs1, immI", not 2/],
    ["j missing\nnop", 1, "missing", /"missing" is not defined/],
    ["nop\nbeq a0, a1, far\n.zero 8192\nfar:", 2, "far", /13 signed bits/],
    ["x:\nnop\nx:", 3, "x", /defined twice/],
    ["li a0, 1 +", 1, "1 +", /unexpected the end/],
    ["li a0, later\n.equ later, 4", 1, "later", /not defined/],
    ["c.addi a0, 100", 1, "100", /no room/],
    ["c.lw a0, 4(t0)", 1, "4", /no room/],
    ["fadd.s fa0, fa1, fa2, up", 1, "up", /not a rounding mode/],
    ["fli.s fa0, 0.3", 1, "0.3", /not a constant/],
    ["fcvtmod.w.d a0, fa0, rne", 1, "fcvtmod.w.d", /not rtz/],
    ["aes64ks1i a0, a1, 11", 1, "11", /reserved/],
    ["sm4ed a0, a1, a2, 4", 1, "4", /2 unsigned bits/],
    ["fence rx, w", 1, "rx", /not a fence set/],
    ["csrr a0, nonsense", 1, "nonsense", /not defined/],
    [".byte 256", 1, "256", /does not fit 1 bytes/],
    [".float 1", 1, ".float", /unknown directive/],
    ['.ascii "open', 1, '"open', /not a string/],
    [".org 8\n.org 4", 2, "4", /behind/],
    [".zero 1000000000000", 1, "1000000000000", /out of range/],
    [".balign 3", 1, "3", /power of two/],
    ["li a0, 0x10000000000000000", 1, "0x10000000000000000", /64 bits/],
    ["addi a0,, a1", 1, "addi", /operand 2 .* missing/],
    [".word 1 / 0", 1, "0", /divided by zero/],
    ["lw a0, %pcrel_lo(x)(a1)\nx:", 1, "%pcrel_lo(x)", /no %pcrel_hi/],
    ["nop\n  @", 2, "@", /unknown instruction "@"/],
  ];
  test.each(cases)("%j", (source, line, token, message) => {
    let caught: unknown;
    try {
      assemble(source);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(AssemblyError);
    const { code, ...error } = caught as AssemblyError;
    expect({ code, line: error.line, token: error.token }).toEqual({ code: "ERR_ASSEMBLY", line, token });
    expect((caught as AssemblyError).message).toMatch(message);
    expect((caught as AssemblyError).message).toMatch(new RegExp(`^line ${line}: `));
  });

  test("constants of FLI may be written as any number, and given as one", () => {
    const program = new Assembler()
      .emit("fli.s", "fa0", 0.0625)
      .emit("fli.d", "ft0", "6.25e-2")
      .emit("fli.h", "fs0", "inf");
    expect(program.finish()).toEqual(assemble("fli.s fa0, 0.0625\n fli.d ft0, 0.0625\n fli.h fs0, inf"));
  });

  test("a bad origin is the caller's mistake", () => {
    expect(() => new Assembler({ origin: -1 })).toThrow(RangeError);
  });
});

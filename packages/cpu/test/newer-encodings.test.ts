import { describe, expect, test } from "vitest";
import { assemble } from "../src/asm.ts";
import { disassemble } from "../src/disasm.ts";

/** Instructions that the binutils that are the other judge do not know, as LLVM 19's assembler encodes them. */
const ENCODINGS: Readonly<Record<string, readonly (readonly [text: string, bits: number])[]>> = {
  zicond: [
    ["czero.eqz a0, a1, t6", 0xff5d533],
    ["czero.nez s11, zero, ra", 0xe107db3],
    ["czero.eqz t3, sp, a7", 0xf115e33],
    ["czero.nez zero, a0, a1", 0xeb57033],
  ],
  zimop: [
    ["mop.r.0 a0, s2", 0x81c94573],
    ["mop.r.1 a1, s3", 0x81d9c5f3],
    ["mop.r.2 a2, s4", 0x81ea4673],
    ["mop.r.3 a3, s5", 0x81fac6f3],
    ["mop.r.4 a4, s6", 0x85cb4773],
    ["mop.r.5 a5, s7", 0x85dbc7f3],
    ["mop.r.6 a6, s8", 0x85ec4873],
    ["mop.r.7 a7, s9", 0x85fcc8f3],
    ["mop.r.8 a0, s10", 0x89cd4573],
    ["mop.r.9 a1, s2", 0x89d945f3],
    ["mop.r.10 a2, s3", 0x89e9c673],
    ["mop.r.11 a3, s4", 0x89fa46f3],
    ["mop.r.12 a4, s5", 0x8dcac773],
    ["mop.r.13 a5, s6", 0x8ddb47f3],
    ["mop.r.14 a6, s7", 0x8debc873],
    ["mop.r.15 a7, s8", 0x8dfc48f3],
    ["mop.r.16 a0, s9", 0xc1ccc573],
    ["mop.r.17 a1, s10", 0xc1dd45f3],
    ["mop.r.18 a2, s2", 0xc1e94673],
    ["mop.r.19 a3, s3", 0xc1f9c6f3],
    ["mop.r.20 a4, s4", 0xc5ca4773],
    ["mop.r.21 a5, s5", 0xc5dac7f3],
    ["mop.r.22 a6, s6", 0xc5eb4873],
    ["mop.r.23 a7, s7", 0xc5fbc8f3],
    ["mop.r.24 a0, s8", 0xc9cc4573],
    ["mop.r.25 a1, s9", 0xc9dcc5f3],
    ["mop.r.26 a2, s10", 0xc9ed4673],
    ["mop.r.27 a3, s2", 0xc9f946f3],
    ["mop.r.28 a4, s3", 0xcdc9c773],
    ["mop.r.29 a5, s4", 0xcdda47f3],
    ["mop.r.30 a6, s5", 0xcdeac873],
    ["mop.r.31 a7, s6", 0xcdfb48f3],
    ["mop.rr.0 a0, s2, t0", 0x82594573],
    ["mop.rr.1 a1, s3, t1", 0x8669c5f3],
    ["mop.rr.2 a2, s4, t2", 0x8a7a4673],
    ["mop.rr.3 a3, s5, t3", 0x8fcac6f3],
    ["mop.rr.4 a4, s6, t4", 0xc3db4773],
    ["mop.rr.5 a5, s7, t5", 0xc7ebc7f3],
    ["mop.rr.6 a6, s8, t6", 0xcbfc4873],
    ["mop.rr.7 a7, s9, t0", 0xce5cc8f3],
  ],
  zcmop: [
    ["c.mop.1", 0x6081],
    ["c.mop.3", 0x6181],
    ["c.mop.5", 0x6281],
    ["c.mop.7", 0x6381],
    ["c.mop.9", 0x6481],
    ["c.mop.11", 0x6581],
    ["c.mop.13", 0x6681],
    ["c.mop.15", 0x6781],
  ],
  zcb: [
    ["c.lbu s0, 0(a5)", 0x8380],
    ["c.lbu a4, 1(s1)", 0x80d8],
    ["c.lbu a0, 2(a1)", 0x81a8],
    ["c.lbu a5, 3(s0)", 0x807c],
    ["c.lhu s0, 0(a5)", 0x8780],
    ["c.lhu a2, 2(a3)", 0x86b0],
    ["c.lh s0, 0(a5)", 0x87c0],
    ["c.lh a2, 2(a3)", 0x86f0],
    ["c.sb s1, 0(a5)", 0x8b84],
    ["c.sb a4, 1(s1)", 0x88d8],
    ["c.sb a0, 2(a1)", 0x89a8],
    ["c.sb a5, 3(s0)", 0x887c],
    ["c.sh s0, 0(a5)", 0x8f80],
    ["c.sh a2, 2(a3)", 0x8eb0],
    ["c.zext.b a0", 0x9d61],
    ["c.sext.b s0", 0x9c65],
    ["c.zext.h a5", 0x9fe9],
    ["c.sext.h s1", 0x9ced],
    ["c.zext.w a3", 0x9ef1],
    ["c.not a4", 0x9f75],
    ["c.mul s0, a5", 0x9c5d],
    ["c.mul a2, s1", 0x9e45],
  ],
};

describe.each(Object.entries(ENCODINGS))("%s", (_, rows) => {
  test.each(rows)("%s", (text, bits) => {
    const { bytes } = assemble(text);
    const length = (bits & 3) === 3 ? 4 : 2;
    expect(bytes.length).toBe(length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    expect(length === 4 ? view.getUint32(0, true) : view.getUint16(0, true)).toBe(bits);
    expect(disassemble(bits)).toEqual({ text, length });
  });
});

test.each([
  ["pause", 0x0100000f],
  ["ntl.p1", 0x00200033],
  ["ntl.pall", 0x00300033],
  ["ntl.s1", 0x00400033],
  ["ntl.all", 0x00500033],
])("the hint %s", (text, bits) => {
  expect(new Uint32Array(assemble(text).bytes.slice().buffer)).toEqual(Uint32Array.of(bits));
});

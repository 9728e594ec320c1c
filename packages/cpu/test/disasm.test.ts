import { describe, expect, test } from "vitest";
import { assemble } from "../src/asm.ts";
import { csrName } from "../src/csr/names.ts";
import { disassemble } from "../src/disasm.ts";
import { findCompressed } from "../src/isa/compressed.ts";
import { INSTRUCTIONS } from "../src/isa/index.ts";
import type { Instruction } from "../src/isa/instruction.ts";
import { gnuDisassemble, isInBinutils } from "./binutils.ts";
import { Random } from "./random.ts";

/** Our text in objdump's spelling: no spaces after commas, branch targets without `0x`. */
function gnuSpelling(text: string): string {
  const spelled = text.replace(/, /g, ",");
  return /^((c\.)?(beq|bne)z?|blt|bge|bltu|bgeu|jal|c\.j) /.test(spelled)
    ? spelled.replace(/0x([0-9a-f]+)$/, "$1")
    : spelled;
}

/** These instructions with random operands, the bits outside its mask drawn at random. */
function randomWords(instructions: readonly Instruction[], count: number): Uint32Array<ArrayBuffer> {
  const random = new Random(2);
  return Uint32Array.from(
    instructions.flatMap(({ match, mask }) =>
      Array.from({ length: count }, () => (match | (random.bits() & ~mask)) >>> 0),
    ),
  );
}

/** Where GNU's text differs from ours on purpose; each rule says why. */
function documentedDifference(word: number, ours: string, gnu: string): boolean {
  // Reserved rounding modes are illegal instructions.
  if (gnu.endsWith(",unknown")) return ours === `.4byte 0x${word.toString(16)}`;
  // So are reserved rounds.
  if (/^aes64ks1i .*,0x[b-f]$/.test(gnu)) return ours === `.4byte 0x${word.toString(16)}`;
  // binutils 2.40 knows the exact conversions with the rounding mode 0 only; QEMU and the specification know all.
  if (/^fcvt\.(d\.(s|w|wu|h)|s\.h) /.test(ours)) return gnu.startsWith(".4byte");
  // CSRs that this processor lacks go by number.
  const csr = word >>> 20;
  if (ours.startsWith("csr") && csrName(csr) === undefined) {
    return ours.replace(`0x${csr.toString(16)}`, "") === gnu.replace(/,[a-z]\w*(?=,\w+$)/, ",");
  }
  return false;
}

describe("32-bit instructions", () => {
  const known = INSTRUCTIONS.filter(isInBinutils);

  test("every instruction with random operands reads as objdump shows it", () => {
    const differences: string[] = [];
    const words = randomWords(known, 100);
    const shown = gnuDisassemble(new Uint8Array(words.buffer));
    expect(shown.length).toBe(words.length);
    for (const { address, text } of shown) {
      const word = words[address / 4] as number;
      const ours = gnuSpelling(disassemble(word, address).text);
      if (ours !== text && !documentedDifference(word, ours, text)) {
        differences.push(`${word.toString(16)}: ${ours} | ${text}`);
      }
    }
    expect(differences).toEqual([]);
  });

  test("no word is two instructions", () => {
    const both: string[] = [];
    for (const a of INSTRUCTIONS) {
      for (const b of INSTRUCTIONS) {
        if (a !== b && ((a.match ^ b.match) & a.mask & b.mask) === 0) both.push(`${a.name} ${b.name}`);
      }
    }
    // Zbb's instruction is a case of Zbkb's, and does the same.
    expect(both).toEqual(["zext.h packw", "packw zext.h"]);
  });

  test("any word assembles back from its text", () => {
    const random = new Random(3);
    const words = randomWords(INSTRUCTIONS, 100);
    const all = Uint32Array.from([...words, ...Array.from({ length: 20_000 }, () => random.bits() | 3)]);
    const source = [...all].map((word, index) => disassemble(word, 4 * index).text).join("\n");
    expect(new Uint32Array(assemble(source).bytes.buffer)).toEqual(all);
  });
});

describe("16-bit instructions", () => {
  const halves = Uint16Array.from(
    Array.from({ length: 65536 }, (_, half) => half).filter((half) => (half & 3) !== 3),
  );

  test("all 49152 parcels read as objdump shows them", () => {
    const differences: string[] = [];
    const shown = gnuDisassemble(new Uint8Array(halves.buffer));
    expect(shown.length).toBe(halves.length);
    for (const { address, text, length } of shown) {
      const half = halves[address / 2] as number;
      const { text: ours, length: ourLength } = disassemble(half, address);
      const same =
        ourLength === length &&
        gnuSpelling(ours) === text.replace(/^c\.addi zero,/, "c.nop ").replace(/^c\.nop 0$/, "c.nop");
      // Shifts by zero and the two reserved parcels have names of their own in binutils.
      const shift = /^c\.(slli|srli|srai)64 (\w+)$/.exec(text);
      const sameShift = shift !== null && ours === `c.${shift[1]} ${shift[2]}, 0x0`;
      const newer = text === `.2byte 0x${half.toString(16)}` && !isInBinutils(findCompressed(half));
      const reserved = ours.startsWith(".2byte") && ["c.unimp", "c.addi16sp sp,0"].includes(text);
      if (!same && !sameShift && !newer && !reserved)
        differences.push(`${half.toString(16)}: ${ours} | ${text}`);
    }
    expect(differences).toEqual([]);
  });

  test("every parcel assembles back from its text", () => {
    const source = [...halves].map((half, index) => disassemble(half, 2 * index).text).join("\n");
    expect(new Uint16Array(assemble(source).bytes.buffer)).toEqual(halves);
  });
});

describe("bytes", () => {
  test("take the length of the first instruction", () => {
    expect(disassemble(Uint8Array.of(0x13, 0x05, 0x15, 0x00, 0xff))).toEqual({
      text: "addi a0, a0, 1",
      length: 4,
    });
    expect(disassemble(Uint8Array.of(0x05, 0x05, 0x13))).toEqual({ text: "c.addi a0, 1", length: 2 });
  });

  test("that are cut short read as data", () => {
    expect(disassemble(Uint8Array.of(0x13, 0x05, 0x15))).toEqual({ text: ".2byte 0x513", length: 2 });
    expect(disassemble(Uint8Array.of(0x13))).toEqual({ text: ".byte 0x13", length: 1 });
    expect(() => disassemble(new Uint8Array())).toThrow(RangeError);
  });

  test("targets are exact in the upper half of the address space", () => {
    expect(disassemble(0xffdff06f, 0xffffffff80000000n).text).toBe("jal zero, 0xffffffff7ffffffc");
  });
});

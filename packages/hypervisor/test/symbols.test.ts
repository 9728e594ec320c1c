/** Names of code: against nm, against what was written, and in files that are damaged on purpose. */
import { describe, expect, test } from "vitest";
import { bytesSource, readElf, readSymbols, SymbolTable } from "../src/symbols.ts";
import { compile } from "./support/compiled.ts";
import { kallsymsImage } from "./support/kallsyms-image.ts";

const encoder = new TextEncoder();

const PROGRAM = `
  int data_is_no_code = 7;
  static __attribute__((noinline)) int local_one(int a) { return a * 3; }
  __attribute__((weak, noinline)) int weak_one(int a) { return local_one(a) + 1; }
  int global_one(int a) __attribute__((alias("weak_one")));
  int other(int a) { return weak_one(a) + data_is_no_code; }
  void _start(void) { other(1); for (;;); }`;

describe("ELF", () => {
  const { bytes, symbols: nm } = compile(PROGRAM, ["-O1", "-march=rv64gc"], 0x8000_1000);
  const table = readSymbols(bytes);

  test("the addresses of code are nm's; of several names at one the global one counts", () => {
    const lines = nm.split("\n").flatMap((line) => {
      const [, digits, name] = /^([0-9a-f]+) [tTwW] (\w+)$/.exec(line) ?? [];
      return digits === undefined || name === undefined ? [] : [{ address: BigInt(`0x${digits}`), name }];
    });
    expect(lines.length).toBeGreaterThan(4);
    expect([...table].map(({ address }) => address)).toEqual(
      [...new Set(lines.map(({ address }) => address))].sort((a, b) => Number(a - b)),
    );
    for (const { address, name } of lines) expect(table.named(name)?.address).toBe(address);
    expect(table.find(table.named("weak_one")?.address ?? 0n)?.name).toBe("global_one");
    expect(table.named("data_is_no_code")).toBeUndefined();
  });

  test("an address belongs to the last symbol at or below it", () => {
    const all = [...table];
    for (const [index, { address, name }] of all.entries()) {
      expect(table.find(address)?.name).toBe(name);
      expect(table.find(address - 1n)?.name).toBe(all[index - 1]?.name);
      expect(table.next(address)?.name).toBe(all[index + 1]?.name);
    }
    const last = all.at(-1);
    expect(table.find((last?.address ?? 0n) + 100_000n)).toBeUndefined();
    expect(new SymbolTable([]).find(0n)).toBeUndefined();
  });

  test("bytes may be a part of something larger, or a Buffer", () => {
    const padded = Buffer.concat([Buffer.alloc(13), bytes, Buffer.alloc(7)]);
    for (const part of [
      padded.subarray(13, 13 + bytes.length),
      new Uint8Array(padded).subarray(13, 13 + bytes.length),
    ]) {
      expect([...readSymbols(part)]).toEqual([...table]);
    }
  });

  test("moved: the same names elsewhere", () => {
    const moved = table.moved(0x1000n);
    expect(moved.named("other")?.address).toBe((table.named("other")?.address ?? 0n) + 0x1000n);
  });

  test("sections and segments of code are what they are", () => {
    const { sections, code, type } = readElf(bytesSource(bytes));
    expect(type).toBe(2);
    expect(sections.filter(({ isCode }) => isCode).map(({ name }) => name)).toEqual([".text"]);
    expect(sections.find(({ name }) => name === ".text")?.address).toBe(0x8000_1000n);
    expect(code).toHaveLength(1);
  });

  test("foreign and damaged files are errors that say what is wrong, or have names", () => {
    const changed = (change: (copy: Uint8Array, view: DataView) => void): (() => unknown) => {
      const copy = bytes.slice();
      change(copy, new DataView(copy.buffer));
      return () => readSymbols(copy);
    };
    const failure = (message: RegExp) =>
      expect.objectContaining({ code: "ERR_SYMBOLS_FORMAT", message: expect.stringMatching(message) });
    expect(changed((copy) => copy.set([62], 18))).toThrow(failure(/another processor \(x86-64, 64-bit/));
    expect(changed((copy) => copy.set([1], 4))).toThrow(failure(/32-bit/));
    expect(changed((_, view) => view.setBigUint64(40, 1n << 60n, true))).toThrow(
      failure(/cut short or damaged.*far away/),
    );
    expect(changed((_, view) => view.setUint16(58, 40, true))).toThrow(failure(/40 bytes \(offset 58\)/));
    expect(() => readSymbols(bytes.subarray(0, 50))).toThrow(failure(/ELF header/));
    expect(() => readSymbols(bytes.subarray(0, bytes.length - 64))).toThrow(
      failure(/section headers.*the file has \d+ bytes/),
    );
    for (const text of ["", "hello", "\x1f\x8b gzip", "MZ", "070701"]) {
      expect(() => readSymbols(encoder.encode(text.padEnd(64, "\0")))).toThrow(failure(/symbols come from/));
    }
    survivesDamage(bytes);
  });

  test("names that overlap do not make a small file ask for all memory", () => {
    const names = 8 << 20;
    const count = 200_000;
    const file = new Uint8Array(0x1000 + names + 24 * count);
    const view = new DataView(file.buffer);
    file.set(bytes.subarray(0, 64));
    file.fill(0x61, 0x1000, 0x1000 + names);
    view.setBigUint64(32, 0n, true);
    view.setBigUint64(40, 64n, true);
    view.setUint16(60, 3, true);
    view.setUint16(62, 2, true);
    const section = (index: number, type: number, offset: number, size: number, flags = 0): void => {
      view.setUint32(64 + 64 * index + 4, type, true);
      view.setBigUint64(64 + 64 * index + 8, BigInt(flags), true);
      view.setBigUint64(64 + 64 * index + 24, BigInt(offset), true);
      view.setBigUint64(64 + 64 * index + 32, BigInt(size), true);
      view.setUint32(64 + 64 * index + 40, 2, true);
    };
    section(0, 1, 0x1000, 16, 4);
    section(1, 2, 0x1000 + names, 24 * count);
    section(2, 3, 0x1000, names);
    for (let index = 0; index < count; index++) {
      const at = 0x1000 + names + 24 * index;
      view.setUint32(at, index, true);
      view.setUint16(at + 6, 0xfff0, true);
      view.setBigUint64(at + 8, BigInt(index), true);
    }
    expect(readSymbols(file).size).toBeLessThan(40_000);
  });
});

describe("System.map and /proc/kallsyms", () => {
  test("code by type, modules in front of their names", () => {
    const table = readSymbols(
      encoder.encode(
        "ffffffff80000000 T _start\nffffffff80000000 T real_name\nffffffff80001000 t local\nffffffff80002000 D data\n" +
          "ffffffff80003000 W weak\nffffffff01602000 t ext4_readdir\t[ext4]\nnonsense\nffffffff80004000 T $x\n",
      ),
    );
    expect([...table].map(({ address, name }) => `${address.toString(16)} ${name}`)).toEqual([
      "ffffffff01602000 ext4:ext4_readdir",
      "ffffffff80000000 real_name",
      "ffffffff80001000 local",
      "ffffffff80003000 weak",
    ]);
  });

  test("addresses that the guest hides are none", () => {
    expect(readSymbols(encoder.encode("0000000000000000 T _start\n0000000000000000 T _stext\n")).size).toBe(
      0,
    );
  });
});

describe("the table that Linux carries for itself", () => {
  const symbols = Array.from({ length: 1000 }, (_, index): [string, number] => [
    `${"tTWd"[index % 4]}${index % 3 === 0 ? "__" : ""}function_${index}${index === 500 ? "_long".repeat(60) : ""}`,
    index * 24,
  ]);
  const expected = symbols
    .filter(([name]) => name[0] !== "d")
    .map(([name, offset]) => [name.slice(1), offset]);
  const BASE = 0xffff_ffff_8000_0000n;
  const shown = (image: Uint8Array) =>
    [...readSymbols(image)].map(({ name, address }) => [name, Number(address - BASE)]);

  test.each(["old", "new"] as const)("is found in the %s layout", (layout) => {
    expect(shown(kallsymsImage(symbols, { layout }))).toEqual(expected);
  });

  test("whatever its size", () => {
    for (const count of [257, 511, 512, 513, 769]) {
      const some = symbols.slice(0, count);
      expect(shown(kallsymsImage(some))).toEqual(
        expected.filter(([, offset]) => (offset as number) < count * 24),
      );
    }
  });

  test("is none when it does not fit together, and damage never hurts", () => {
    const image = kallsymsImage(symbols);
    const copy = image.slice();
    copy.fill(0, 4096, 4200);
    expect(readSymbols(copy).size).toBe(0);
    expect(readSymbols(kallsymsImage(symbols, { base: 0x1000n })).size).toBe(0);
    expect(readSymbols(kallsymsImage(symbols, { base: BASE + 8n })).size).toBe(0);
    survivesDamage(image);
    for (let length = 64; length < image.length; length += 997) readSymbols(image.subarray(0, length));
  });

  test("an image full of what looks like its beginning takes bounded time", () => {
    const digits = Uint8Array.from([..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]));
    const image = new Uint8Array(16 << 20);
    for (let at = 64; at + digits.length < image.length; at += digits.length) image.set(digits, at);
    image.set(encoder.encode("RSC\x05"), 56);
    const began = performance.now();
    expect(readSymbols(image).size).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

/** Changes bytes at random: an error with the code, or some table, comes of it. */
function survivesDamage(file: Uint8Array): void {
  let seed = 4711;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 300; round++) {
    const copy = file.slice();
    for (let change = 0; change <= round % 8; change++) {
      copy[random(round % 2 === 0 ? 256 : copy.length)] = [0, 1, 0x7f, 0xff, random(256)][
        random(5)
      ] as number;
    }
    try {
      expect(readSymbols(copy).size).toBeLessThan(100_000);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_SYMBOLS_FORMAT" });
    }
  }
}

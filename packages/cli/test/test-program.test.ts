import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { isomorph, scratch } from "./support/command.ts";
import { testElf } from "./support/test-elf.ts";

const { folder } = scratch();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a test program that ends with `code` at tohost; returns its path. */
function program(name: string, code: string, more = ""): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    testElf(`
      csrr t0, mhartid
      bnez t0, park
      csrwi mie, 0
      ${more}
      la t1, tohost
      li t2, ${code}
      sd t2, 0(t1)
    park:
      wfi
      j park
      .balign 64
    tohost: .dword 0
      .balign 64
    fromhost: .dword 0
      .balign 16
    begin_signature:
      .word 0x11223344, 0x55667788, 0xdeadbeef, 1
    end_signature:
      .word 0x99999999
    `),
  );
  return path;
}

describe("test programs by the host-target interface, in M-mode", () => {
  test("end through tohost with their code", async () => {
    const [pass, fail, large] = await Promise.all([
      isomorph(["run", "--htif", program("pass", "1")]),
      isomorph(["run", "--htif", program("fail", "(7 << 1) | 1")]),
      isomorph(["run", "--htif", program("large", "(256 << 1) | 1")]),
    ]);
    expect([pass.code, fail.code, large.code]).toEqual([0, 7, 1]);
    expect([pass.stdout.length, pass.stderr, fail.stderr]).toEqual([0, "", ""]);
    expect(large.stderr).toMatch(/large: failed with code 256\n/);
  });

  test("leave their signature, one word a line by default", async () => {
    const path = program("sign", "1");
    const [words, doublewords] = [join(folder, "a.sig"), join(folder, "b.sig")];
    const [first, second] = await Promise.all([
      isomorph(["run", "--htif", "--signature", words, path]),
      isomorph(["run", "--htif", "--signature", doublewords, "--signature-granularity", "8", path]),
    ]);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(readFileSync(words, "utf8")).toBe("11223344\n55667788\ndeadbeef\n00000001\n");
    expect(readFileSync(doublewords, "utf8")).toBe("5566778811223344\n00000001deadbeef\n");
  });

  test("print through the interface's console", async () => {
    const path = program(
      "print",
      "1",
      "la t1, tohost\nli t2, 0x0101000000000041\nsd t2, 0(t1)\n1: ld t2, 0(t1)\nbnez t2, 1b",
    );
    expect((await isomorph(["run", "--htif", path])).stdout.toString()).toBe("A");
  });

  test("that do not end are ended by --timeout; --harts and --clock apply", async () => {
    const path = program("loop", "0");
    const ended = await isomorph([
      "run",
      "--htif",
      "--harts",
      "2",
      "--clock",
      "instructions",
      "--timeout",
      "1",
      path,
    ]);
    expect([ended.code, ended.stderr]).toEqual([
      124,
      "isomorph: the machine was stopped: --timeout of 1 s has passed\n",
    ]);
  });

  test("that are none, or cannot leave a signature, are refused", async () => {
    const path = program("refuse", "1");
    const elf = readFileSync(path);
    const noSymbols = join(folder, "stripped");
    elf.writeUInt16LE(0, 60);
    writeFileSync(noSymbols, elf);
    const text = join(folder, "text");
    writeFileSync(text, "no ELF file at all, but long enough to be looked at");
    const results = await Promise.all([
      isomorph(["run", "--htif", noSymbols]),
      isomorph(["run", "--htif", text]),
      isomorph(["run", "--htif", join(folder, "absent")]),
      isomorph(["run", "--htif", "--signature", "/nowhere/at/all", path]),
    ]);
    expect(results.map(({ code }) => code)).toEqual([1, 1, 1, 1]);
    const [symbols, format, absent, signature] = results.map(({ stderr }) => stderr);
    expect(symbols).toMatch(/stripped: has no symbol tohost/);
    expect(format).toMatch(/text: .*is not an ELF file/);
    expect(absent).toMatch(/no such file/);
    expect(signature).toMatch(/--signature \/nowhere\/at\/all: no such file/);
  });
});

import { describe, expect, it } from "vitest";
import { Htif, htifSymbols, signatureText } from "../src/htif.ts";
import type { VmOutcome } from "../src/outcome.ts";
import { plainMemory } from "./support/guest-memory.ts";
import { elf } from "./support/images.ts";

const RAM = 0x80000000;
const TOHOST = RAM + 0x1000;
const FROMHOST = RAM + 0x1040;
const BLOCK = RAM + 0x2000;

function rig() {
  const memory = plainMemory(RAM, 1 << 16);
  const outcomes: VmOutcome[] = [];
  let text = "";
  const onconsole = (bytes: Uint8Array) => {
    text += String.fromCharCode(...bytes);
  };
  const htif = new Htif(memory, { tohost: TOHOST, fromhost: FROMHOST, onconsole }, (outcome) =>
    outcomes.push(outcome),
  );
  const put = (gpa: number, value: bigint) =>
    memory.data.setBigUint64(gpa - RAM, BigInt.asUintN(64, value), true);
  const get = (gpa: number) => memory.data.getBigUint64(gpa - RAM, true);
  return { memory, outcomes, htif, put, get, text: () => text };
}

describe("host-target interface of RISC-V test programs", () => {
  it.each([
    [1n, 0],
    [3n, 1],
    [(1337n << 1n) | 1n, 1337],
  ])("tohost %s ends the run with code %s", (value, code) => {
    const { htif, put, outcomes } = rig();
    htif.poll();
    expect(outcomes).toEqual([]);
    put(TOHOST, value);
    htif.poll();
    expect(outcomes).toEqual([{ reason: "power-off", code }]);
  });

  it("prints with device 1, command 1, and acknowledges", () => {
    const { htif, put, get, text, memory } = rig();
    for (const character of "Hi") {
      put(TOHOST, (1n << 56n) | (1n << 48n) | BigInt(character.charCodeAt(0)));
      htif.poll();
      expect(get(TOHOST)).toBe(0n);
      expect(get(FROMHOST)).toBe((1n << 56n) | (1n << 48n));
    }
    expect(text()).toBe("Hi");
    expect(memory.dirty).toContainEqual([TOHOST, 8]);
  });

  it("serves the proxied write and exit, and refuses other calls", () => {
    const { htif, put, get, text, outcomes, memory } = rig();
    const call = (...words: bigint[]) => {
      for (const [index, word] of words.entries()) put(BLOCK + index * 8, word);
      put(TOHOST, BigInt(BLOCK));
      htif.poll();
      return BigInt.asIntN(64, get(BLOCK));
    };
    memory.view(RAM + 0x3000, 5).set(new TextEncoder().encode("hello"));
    expect(call(64n, 1n, BigInt(RAM + 0x3000), 5n)).toBe(5n);
    expect(text()).toBe("hello");
    expect(get(FROMHOST)).toBe(1n);
    expect(call(64n, 1n, 0x1234n, 5n)).toBe(-14n);
    expect(call(64n, 1n, BigInt(RAM), 2n ** 60n)).toBe(-14n);
    expect(call(1024n)).toBe(-38n);
    call(93n, 7n);
    expect(outcomes).toEqual([{ reason: "power-off", code: 7 }]);
  });

  it("ignores requests that make no sense", () => {
    const { htif, put, outcomes, text } = rig();
    for (const value of [
      2n,
      BigInt(RAM - 8),
      0x1234n << 32n,
      5n << 56n,
      1n << 56n,
      2n ** 64n - 2n,
      BigInt(RAM + (1 << 16) - 8),
    ]) {
      put(TOHOST, value);
      htif.poll();
    }
    expect(outcomes).toEqual([]);
    expect(text()).toBe("");
    expect(htif.requests).toBe(7);
  });

  it("wants its words in RAM", () => {
    const memory = plainMemory(RAM, 1 << 16);
    expect(() => new Htif(memory, { tohost: 0x1000 }, () => {})).toThrow(RangeError);
    expect(() => new Htif(memory, { tohost: RAM + 4 }, () => {})).toThrow(RangeError);
    expect(() => new Htif(memory, { tohost: RAM, fromhost: RAM + (1 << 16) }, () => {})).toThrow(RangeError);
  });

  it("finds its symbols in an ELF file", () => {
    const symbols = { tohost: 0x80001000n, begin_signature: 0x80002000n, end_signature: 0x80002010n };
    expect(htifSymbols(elf({ symbols }))).toEqual({
      tohost: 0x80001000,
      fromhost: undefined,
      signature: { begin: 0x80002000, end: 0x80002010 },
    });
    expect(htifSymbols(elf())).toBeUndefined();
  });
});

describe("signatures (riscv-arch-test)", () => {
  it("are little-endian words, one a line", () => {
    const memory = plainMemory(RAM, 4096);
    memory.bytes.set([0xef, 0xbe, 0xad, 0xde, 1, 0, 0, 0]);
    expect(signatureText(memory, { begin: RAM, end: RAM + 8 })).toBe("deadbeef\n00000001\n");
    expect(signatureText(memory, { begin: RAM, end: RAM + 8 }, 8)).toBe("00000001deadbeef\n");
    expect(signatureText(memory, { begin: RAM, end: RAM })).toBe("");
  });

  it("must lie in RAM", () => {
    const memory = plainMemory(RAM, 4096);
    expect(() => signatureText(memory, { begin: RAM - 4, end: RAM })).toThrow(RangeError);
    expect(() => signatureText(memory, { begin: RAM, end: RAM + 4100 })).toThrow(RangeError);
    expect(() => signatureText(memory, { begin: RAM + 8, end: RAM })).toThrow(RangeError);
  });
});

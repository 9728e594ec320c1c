import { riscv64 } from "@isomorph/cpu";
import { assemble } from "@isomorph/cpu/asm";
import { describe, expect, it } from "vitest";
import { createVm, htifSymbols, signatureText, type VmOutcome } from "../src/index.ts";
import { elf } from "./support/images.ts";

/** An M-mode test program with the words of the interface and a signature of 20 bytes behind it. */
function program(code: string): Uint8Array {
  const { bytes, symbols } = assemble(
    `
      la s0, tohost
      la s1, fromhost
      la s2, begin_signature
      ${code}
    end: j end
      .balign 64
    tohost: .dword 0
      .balign 64
    fromhost: .dword 0
      .balign 64
    call: .dword 0, 0, 0, 0, 0, 0, 0, 0
    text: .byte 0x68, 0x65, 0x6c, 0x6c, 0x6f
      .balign 16
    begin_signature: .word 0xdeadbeef, 0xdeadbeef, 0xdeadbeef, 0xdeadbeef, 0xdeadbeef
    end_signature:
    `,
    { origin: 0x80000000 },
  );
  const names = ["tohost", "fromhost", "begin_signature", "end_signature"];
  const found = names.map((name) => [name, symbols.get(name) as bigint] as const);
  return elf({ payload: bytes, memorySize: bytes.length + 64, symbols: Object.fromEntries(found) });
}

const halt = (value: number): string => `li t0, ${value}\n sd t0, 0(s0)`;

/** Waits as test environments do: until the host has taken the request and answered. */
const request = (load: string): string => `
  sd zero, 0(s1)
  ${load}
  sd t0, 0(s0)
1: ld t0, 0(s0)
  bnez t0, 1b
2: ld t0, 0(s1)
  beqz t0, 2b`;

interface Ran {
  readonly outcome: VmOutcome;
  readonly text: string;
  readonly signature: (granularity?: 1 | 2 | 4 | 8 | 16) => string;
  readonly instructions: number;
}

describe.each([
  ["interpreted", 0],
  ["translated", 1],
])("test programs, %s", (_, translationThreshold) => {
  async function run(
    code: string,
    options: { harts?: number; maxInstructions?: number; signal?: AbortSignal } = {},
  ): Promise<Ran> {
    const firmware = program(code);
    const symbols = htifSymbols(firmware);
    if (symbols?.signature === undefined) throw new Error("the program lacks its symbols");
    const { tohost, fromhost, signature } = symbols;
    let text = "";
    const onconsole = (bytes: Uint8Array): void => {
      text += String.fromCharCode(...bytes);
    };
    const { harts = 1, ...limits } = options;
    const vm = await createVm({
      cpu: riscv64({ translationThreshold }),
      ...{ firmware, harts, memory: 1 << 20, onReset: "return", htif: { tohost, fromhost, onconsole } },
    });
    const outcome = await vm.run({ signal: AbortSignal.timeout(10_000), ...limits });
    const instructions = vm.counters()["vm.instructions"] ?? 0;
    await vm.close();
    return {
      ...{ outcome, text, instructions },
      signature: (granularity) => signatureText(vm.memory, signature, granularity),
    };
  }

  it("pass with 1 and fail with the number of the test", async () => {
    expect((await run(halt(1))).outcome).toEqual({ reason: "power-off", code: 0 });
    expect((await run(halt((5 << 1) | 1))).outcome).toEqual({ reason: "power-off", code: 5 });
    expect((await run(halt(1337))).outcome).toEqual({ reason: "power-off", code: 668 });
  });

  it("may write the low word first and go on writing", async () => {
    const { outcome } = await run(`1: li t0, 7\n sw t0, 0(s0)\n sw zero, 4(s0)\n j 1b`);
    expect(outcome).toEqual({ reason: "power-off", code: 3 });
  });

  it("end promptly, whatever the other harts do", async () => {
    const { outcome, instructions } = await run(`csrr t0, mhartid\n 1: bnez t0, 1b\n ${halt(1)}`, {
      harts: 4,
    });
    expect(outcome).toEqual({ reason: "power-off", code: 0 });
    expect(instructions).toBeLessThan(1_000_000);
  });

  it("leave a signature in lines of 4, 8 or 16 bytes, the last one filled up with zeros", async () => {
    const { signature } = await run(
      `li t0, 0x0123456789abcdef\n sd t0, 0(s2)\n li t0, 7\n sh t0, 18(s2)\n ${halt(1)}`,
    );
    expect(signature()).toBe("89abcdef\n01234567\ndeadbeef\ndeadbeef\n0007beef\n");
    expect(signature(8)).toBe("0123456789abcdef\ndeadbeefdeadbeef\n000000000007beef\n");
    expect(signature(16)).toBe("deadbeefdeadbeef0123456789abcdef\n0000000000000000000000000007beef\n");
  });

  it("print by characters and by proxied writes", async () => {
    const character = (code: number): string => request(`li t0, 0x0101000000000000 + ${code}`);
    const write = request(`
      la t1, call
      li t0, 64
      sd t0, 0(t1)
      li t0, 1
      sd t0, 8(t1)
      la t0, text
      sd t0, 16(t1)
      li t0, 5
      sd t0, 24(t1)
      mv t0, t1`);
    const { outcome, text } = await run(
      `${character(0x41)}\n ${character(0x42)}\n ${write}\n la t1, call\n ld t0, 0(t1)\n sd t0, 0(s2)\n ${halt(1)}`,
    );
    expect(outcome).toEqual({ reason: "power-off", code: 0 });
    expect(text).toBe("ABhello");
  });

  it("that hang are ended by a limit of instructions or of time", async () => {
    expect((await run("", { maxInstructions: 300_000 })).outcome).toEqual({ reason: "instruction-limit" });
    const startedAt = performance.now();
    const { outcome } = await run("", { signal: AbortSignal.timeout(100) });
    expect(outcome.reason).toBe("aborted");
    expect(performance.now() - startedAt).toBeLessThan(60_000);
  });

  it("that trap without end have crashed", async () => {
    expect((await run("csrw mtvec, zero\n unimp")).outcome.reason).toBe("crashed");
  });
});

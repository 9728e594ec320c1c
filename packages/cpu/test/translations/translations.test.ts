/** Translations of an earlier run: what they change, which is when code is translated, and what they do not. */
import { describe, expect, test } from "vitest";
import { assemble } from "../../src/asm.ts";
import { riscv64, riscv64User } from "../../src/index.ts";
import { CALLS, type Ending, learn, machine, ORIGIN, PROGRAM, programAt, toEnd } from "./machine.ts";

const interpreted = ({ counters }: Ending): number => counters.instructionsInterpreted as number;

const { bytes: TRANSLATIONS } = learn();

function run(options: Parameters<typeof riscv64>[0], source?: string): Ending {
  const made = machine(options, source);
  const ending = toEnd(made);
  made.processor.close();
  return ending;
}

describe("known code", () => {
  test("is translated early, with the same result to the last instruction", () => {
    const cold = run({ translationThreshold: 0 });
    const without = run({});
    const withThem = run({ translations: TRANSLATIONS });
    expect([without.left, withThem.left]).toEqual([cold.left, cold.left]);
    // Functions are called less often than the threshold: without, only the loop around them is translated.
    expect(interpreted(without)).toBeGreaterThan(0.5 * cold.left.instructions);
    expect(interpreted(withThem)).toBeLessThan(0.35 * cold.left.instructions);
    expect(withThem.counters.regionsTranslated).toBeGreaterThan(60);
    expect(withThem.counters.modules).toBeLessThan(20);
  });

  test("of other pages is not", () => {
    const other = `${PROGRAM}\n .dword 1`.replaceAll("addi a0, a0, ", "addi a0, a0, 1 + ");
    const without = run({}, other);
    const withThem = run({ translations: TRANSLATIONS }, other);
    expect(withThem.left).toEqual(without.left);
    expect(withThem.counters.regionsTranslated).toBe(without.counters.regionsTranslated);
    expect(interpreted(withThem)).toBe(interpreted(without));
  });

  test("that is reached a few times only is left to the interpreter", () => {
    const once = PROGRAM.replace(`li s0, ${CALLS}`, "li s0, 10");
    const { bytes } = learn();
    expect(run({ translations: bytes }, once).counters.regionsTranslated).toBeLessThan(5);
  });

  test("is learned of no bytes; without the option, asking for it is an error", () => {
    const made = machine({});
    toEnd(made);
    expect(() => made.processor.translations()).toThrow(TypeError);
    made.processor.close();
    expect(TRANSLATIONS.length).toBeGreaterThan(200);
    expect(TRANSLATIONS.length).toBeLessThan(2000);
  });

  test("is kept and added to by the next run, which gives the same again where nothing is new", () => {
    const more = PROGRAM.replace("slli t1, a0, 7", "slli t1, a0, 5");
    const again = learn(PROGRAM, TRANSLATIONS);
    expect(learn(PROGRAM, again.bytes).bytes).toEqual(again.bytes);
    const both = learn(more, TRANSLATIONS).bytes;
    expect(both.length).toBeGreaterThan(TRANSLATIONS.length);
    for (const source of [PROGRAM, more]) {
      const ending = run({ translations: both }, source);
      expect(interpreted(ending)).toBeLessThan(0.35 * ending.left.instructions);
    }
  });

  test("with a threshold of so few times that there is little to gain, or none, the results are the same", () => {
    for (const translationThreshold of [0, 1, 20]) {
      const without = run({ translationThreshold });
      const withThem = run({ translationThreshold, translations: TRANSLATIONS });
      expect(withThem.left).toEqual(without.left);
      // Regions that are whole at once come in other batches: some instructions more or less.
      if (translationThreshold === 0) expect(interpreted(withThem)).toBe(interpreted(without));
      else expect(interpreted(withThem)).toBeLessThan(1.01 * interpreted(without));
    }
  });
});

describe("a run that puts what is known to the test", () => {
  /** Functions on all pages but the first, which has the number of their calls in it, are what was known before. */
  const calls = (times: number): string => PROGRAM.replace(`li s0, ${CALLS}`, `li s0, ${times}`);
  const worthIt = calls(3750);
  const inVain = calls(1800);

  /** Runs with these translations. @returns what it interpreted, and the translations that it leaves. */
  const go = (source: string, translations: Uint8Array, reviewTranslations = false) => {
    const made = machine({ translations, reviewTranslations }, source);
    const ending = toEnd(made);
    const bytes = made.processor.translations();
    made.processor.close();
    return { bytes, interpreted: interpreted(ending), left: ending.left };
  };

  test("doubts what was not worth it until it has been twice more", () => {
    const without = go(inVain, new Uint8Array());
    const known = go(worthIt, new Uint8Array()).bytes;
    const early = go(inVain, known);
    expect(early.interpreted).toBeLessThan(0.6 * without.interpreted);
    const review = go(inVain, early.bytes, true);
    expect([review.left, review.interpreted]).toEqual([without.left, without.interpreted]);
    expect(review.bytes.length).toBeGreaterThanOrEqual(early.bytes.length);
    // It stays so, without another test.
    const doubted = go(inVain, go(inVain, review.bytes).bytes);
    expect(doubted.interpreted).toBeGreaterThan(0.9 * without.interpreted);
    const once = go(worthIt, doubted.bytes);
    expect(go(inVain, once.bytes).interpreted).toBeGreaterThan(0.9 * without.interpreted);
    const twice = go(worthIt, once.bytes);
    expect(go(inVain, twice.bytes).interpreted).toBeLessThan(1.1 * early.interpreted);
  });

  test("does not doubt what was worth it, nor what control did not get to", () => {
    const known = go(worthIt, new Uint8Array()).bytes;
    const other = programAt(ORIGIN).replaceAll("slli t1, a0, 7", "slli t1, a0, 5");
    const reviewed = go(other, go(worthIt, known, true).bytes, true).bytes;
    expect(go(inVain, reviewed).interpreted).toBeLessThan(1.1 * go(inVain, known).interpreted);
  });
});

describe("kinds of regions", () => {
  /** Loads that drive each other's entries out of the TLB: the region has to do them itself at last. */
  const MISSING = `
      li s0, 20000
      li s1, ${ORIGIN + 0x10_0000}
      li s2, 0x1000000
    loop:
      ld t0, 0(s1)
      add t1, s1, s2
      ld t2, 0(t1)
      add t1, t1, s2
      ld t3, 0(t1)
      add a0, a0, t0
      addi s0, s0, -1
      bnez s0, loop
    stop: wfi
      j stop`;

  test("are known too: what became patient is patient at once", () => {
    const learned = learn(MISSING);
    expect(learned.counters.regionsDropped).toBeGreaterThan(0);
    const again = run({ translationThreshold: 200, translations: learned.bytes }, MISSING);
    expect(again.left).toEqual(learned.left);
    expect(again.counters.regionsDropped).toBe(0);
  });
});

describe("pages that are written", () => {
  /** Copies one of two functions over a page and calls it 1000 times, by turns: its contents come back. */
  const REWRITING = `
      la s3, first
      la s4, second
      li s5, 6
    turn:
      li t0, 64
      mv t1, s3
      la t2, target
    copy:
      ld t3, 0(t1)
      sd t3, 0(t2)
      addi t1, t1, 8
      addi t2, t2, 8
      addi t0, t0, -8
      bnez t0, copy
      fence.i
      li s0, 1000
    call:
      jal target
      addi s0, s0, -1
      bnez s0, call
      li s0, 1000
    again:
      jal target + 32
      addi s0, s0, -1
      bnez s0, again
      mv t0, s3
      mv s3, s4
      mv s4, t0
      addi s5, s5, -1
      bnez s5, turn
    stop: wfi
      j stop
      .balign 4096
    target: .zero 4096
    first: addi a0, a0, 1; xor a0, a0, s0; ret; .balign 32; addi a1, a1, 1; ret; .balign 64
    second: addi a0, a0, 3; xor a0, a0, s0; ret; .balign 32; addi a1, a1, 2; ret; .balign 64`;

  test("are looked at again when something in them is translated", () => {
    const learned = learn(REWRITING);
    const cold = run({ translationThreshold: 0 }, REWRITING);
    const without = run({ translationThreshold: 900 }, REWRITING);
    const withThem = run({ translationThreshold: 900, translations: learned.bytes }, REWRITING);
    expect([learned.left, without.left, withThem.left]).toEqual([cold.left, cold.left, cold.left]);
    expect(interpreted(withThem)).toBeLessThan(0.9 * interpreted(without));
  });
});

describe("a machine that goes on from saved state", () => {
  test("is fast at once with the translations of that moment", () => {
    const first = machine({ translationThreshold: 200, translations: new Uint8Array() });
    first.hart.run(400_000);
    const state = first.hart.save();
    const ram = first.processor.memory.bytes.slice();
    const translations = first.processor.translations();
    const rest = toEnd(first);
    first.processor.close();
    const goOn = (options: Parameters<typeof riscv64>[0]): Ending => {
      const made = machine(options, undefined);
      made.processor.memory.bytes.set(ram);
      made.processor.memory.markDirty(ORIGIN, ram.length);
      made.hart.restore(state);
      const ending = toEnd(made);
      made.processor.close();
      return ending;
    };
    const without = goOn({});
    const withThem = goOn({ translations });
    expect([without.left, withThem.left]).toEqual([rest.left, rest.left]);
    expect(interpreted(without)).toBeGreaterThan(2 * interpreted(withThem));
  });
});

describe("user mode by itself", () => {
  const BASE = 0x1_0000;
  const { bytes: program } = assemble(programAt(BASE).replace("wfi", "ecall"), { origin: BASE });

  test("has translations as well", () => {
    const execute = (translations?: Uint8Array, translationThreshold = 2000) => {
      const clock = { frequency: 10_000_000, now: () => 0 };
      const made = riscv64User({
        memoryBase: BASE,
        memorySize: 1 << 20,
        clock,
        translations,
        translationThreshold,
      });
      made.memory.bytes.set(program);
      made.memory.markDirty(BASE, program.length);
      const [hart] = made.harts;
      if (hart === undefined) throw new Error("there is one");
      hart.pc = BigInt(BASE);
      while (hart.run(20_000) !== "trap");
      const ending = { a0: hart.readRegister(10), counters: { ...made.counters() }, cause: hart.trapCause };
      const learned = translations && made.translations();
      if (translations === undefined) expect(() => made.translations()).toThrow(TypeError);
      made.close();
      return { ...ending, learned };
    };
    const without = execute();
    const { learned } = execute(new Uint8Array(), 200);
    const withThem = execute(learned);
    expect([withThem.a0, withThem.cause]).toEqual([without.a0, without.cause]);
    expect(withThem.counters.instructionsInterpreted).toBeLessThan(
      0.4 * (without.counters.instructionsInterpreted as number),
    );
  });
});

describe("bytes that no processor gave", () => {
  const factory = (translations: Uint8Array) => () => riscv64({ translations });

  test("are an error that says what is wrong with them", () => {
    const changed = (at: number, value: number): Uint8Array => {
      const copy = TRANSLATIONS.slice();
      copy[at] = value;
      return copy;
    };
    expect(() => riscv64({ translations: "text" as never })).toThrow(TypeError);
    expect(factory(new TextEncoder().encode("#!/bin/sh\n"))).toThrow(/do not begin with "isoxlate"/);
    expect(factory(TRANSLATIONS.subarray(0, 12))).toThrow(/end after 12 bytes/);
    expect(factory(changed(8, 1))).toThrow(/version 1, not 2/);
    expect(factory(changed(15, 1))).toThrow(/pages, more than 32768/);
    expect(factory(changed(19, 1))).toThrow(/entries, more than 65536/);
    expect(factory(TRANSLATIONS.subarray(0, -1))).toThrow(/bytes, not the/);
    expect(factory(changed(12, 1))).toThrow(/bytes, not the/);
    expect(factory(changed(27, 255))).toThrow(/page 0 that is not above/);
    expect(factory(changed(28, 0))).toThrow(/page 0 of 0 entries/);
    expect(factory(changed(29, 255))).toThrow(/page 0 of \d+ entries/);
    expect(factory(changed(31, 0x60))).toThrow(/as entry 0 of page 0/);
  });

  test("of any kind are an error with a code, or taken", () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    let taken = 0;
    for (let round = 0; round < 5000; round++) {
      const copy = TRANSLATIONS.slice(0, round % 3 === 0 ? random(TRANSLATIONS.length + 1) : undefined);
      for (let change = 0; change <= round % 4 && copy.length > 0; change++) {
        copy[random(copy.length)] = random(256);
      }
      try {
        riscv64({ translations: copy });
        taken++;
      } catch (error) {
        expect(["ERR_TRANSLATIONS_FORMAT", "ERR_TRANSLATIONS_VERSION"]).toContain(
          (error as { code?: string }).code,
        );
      }
    }
    // Changed hashes and kinds are as good as any.
    expect(taken).toBeGreaterThan(300);
    expect(taken).toBeLessThan(4700);
  });

  test("that say that everything is worth it, in every way, change no result and translate what is reached", () => {
    const view = new DataView(TRANSLATIONS.buffer, TRANSLATIONS.byteOffset, TRANSLATIONS.length);
    const contents: bigint[] = [];
    for (let at = 20; at < TRANSLATIONS.length; at += 10 + 2 * view.getUint16(at + 8, true)) {
      contents.push(view.getBigUint64(at, true));
    }
    const most = contents.slice(0, 32);
    const all = new Uint8Array(20 + most.length * (10 + 4096));
    all.set(TRANSLATIONS.subarray(0, 12));
    const out = new DataView(all.buffer);
    out.setUint32(12, most.length, true);
    out.setUint32(16, most.length * 2048, true);
    let at = 20;
    for (const page of most) {
      out.setBigUint64(at, page, true);
      out.setUint16(at + 8, 2048, true);
      at += 10;
      for (let offset = 0; offset < 4096; offset += 2, at += 2) out.setUint16(at, offset | 0x1001, true);
    }
    const hostile = run({ translations: all });
    expect(hostile.left).toEqual(run({ translationThreshold: 0 }).left);
    expect(hostile.counters.regionsTranslated).toBeLessThan(400);
  });
});

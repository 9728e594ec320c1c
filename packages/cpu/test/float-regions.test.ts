import { describe, expect, test } from "vitest";
import { attempt, DATA, TIERS, type Tier } from "./conformance/machine.ts";
import { Random } from "./random.ts";

// Translated code keeps floating-point registers in variables and does the common case of each operation inline.
// Random programs with loops, branches, calls, loads and stores in groups and changes of rounding mode and flags leave
// the same registers, flags and memory in both tiers.

const OUT = DATA + 0x1000;
const OPERANDS = 128;
const REGISTERS = 32;
const WORDS = 8;
const PROGRAMS = 250;

/** Doubles of every kind, singles boxed and not, and patterns in between. */
function operand(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 63n;
  const fraction = random.bits64() & ((1n << 52n) - 1n);
  const double = (exponent: number, bits = fraction): bigint => sign | (BigInt(exponent) << 52n) | bits;
  const boxed = (bits: number): bigint => 0xffff_ffff_0000_0000n | BigInt(bits >>> 0);
  const single = (exponent: number, bits: number): bigint =>
    boxed((random.below(2) << 31) | (exponent << 23) | bits);
  return random.pick<() => bigint>([
    () => double(1020 + random.below(8)),
    () => double(1023 + random.below(20), fraction & ~((1n << 45n) - 1n)),
    () => double(0, 0n),
    () => double(0),
    () => double(1 + random.below(3)),
    () => double(2040 + random.below(7)),
    () => double(2047),
    () => double(2047, 0n),
    () => double(random.below(2048)),
    () => single(120 + random.below(16), random.bits() & 0x7f_ffff),
    () => single(127 + random.below(10), random.bits() & 0x7e_0000),
    () => single(random.pick([0, 1, 2, 254, 255]), random.bits() & 0x7f_ffff),
    () => single(random.pick([0, 255]), 0),
    () => boxed(random.bits()),
    () => random.bits64(),
    () => 0x7ff8_0000_0000_0000n,
  ])();
}

const BINARY = ["fadd", "fsub", "fmul", "fdiv"];
const FUSED = ["fmadd", "fmsub", "fnmsub", "fnmadd"];
const UNROUNDED = ["fmin", "fmax", "fsgnj", "fsgnjn", "fsgnjx"];
const MODES = ["rne", "rtz", "rdn", "rup", "rmm"];

class Program {
  readonly #random: Random;
  readonly #lines: string[] = [];
  #labels = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  #f(): string {
    return `f${["t0", "t1", "a0", "a1", "a2", "s0"][this.#random.below(6)]}`;
  }
  #x(): string {
    return this.#random.pick(["a0", "a1", "a2"]);
  }
  #rm(): string {
    return this.#random.oneIn(4) ? `, ${this.#random.pick(MODES)}` : ", dyn";
  }

  /** One operation on a few registers, so that results are operands soon. */
  #operation(): string {
    const random = this.#random;
    const suffix = random.oneIn(3) ? "s" : "d";
    const f = () => this.#f();
    const same = f();
    return random.pick<() => string>([
      () => `${random.pick(BINARY)}.${suffix} ${f()}, ${f()}, ${f()}${this.#rm()}`,
      () => `${random.pick(BINARY)}.d ${f()}, ${f()}, ${f()}${this.#rm()}`,
      // A zero whose sign the rounding mode says.
      () => `fsub.${suffix} ${f()}, ${same}, ${same}${this.#rm()}`,
      () => `${random.pick(FUSED)}.${suffix} ${f()}, ${f()}, ${f()}, ${f()}${this.#rm()}`,
      () => `fsqrt.${suffix} ${f()}, ${f()}${this.#rm()}`,
      () => `${random.pick(UNROUNDED)}.${suffix} ${f()}, ${f()}, ${f()}`,
      () => `${random.pick(["fsgnj", "fsgnjn", "fsgnjx"])}.${suffix} ${f()}, ${same}, ${same}`,
      () => `${random.pick(["feq", "flt", "fle"])}.${suffix} ${this.#x()}, ${f()}, ${f()}`,
      () => `fclass.${suffix} ${this.#x()}, ${f()}`,
      () => `fcvt.${random.pick(["w", "wu", "l", "lu"])}.${suffix} ${this.#x()}, ${f()}${this.#rm()}`,
      () =>
        `fcvt.${suffix}.${random.pick(["w", "wu", "l", "lu"])} ${f()}, ${this.#x()}${this.#rmOfInteger()}`,
      () => (random.oneIn(2) ? `fcvt.d.s ${f()}, ${f()}` : `fcvt.s.d ${f()}, ${f()}${this.#rm()}`),
      () => (random.oneIn(2) ? `fmv.x.d ${this.#x()}, ${f()}` : `fmv.d.x ${f()}, ${this.#x()}`),
      () => (random.oneIn(2) ? `fmv.x.w ${this.#x()}, ${f()}` : `fmv.w.x ${f()}, ${this.#x()}`),
      () => `fsd ${f()}, ${8 * random.below(WORDS)}(s2)`,
      () => `fsw ${f()}, ${4 * random.below(2 * WORDS)}(s2)`,
    ])();
  }

  /** Conversions from words to doubles are exact, but a reserved mode is as illegal as elsewhere. */
  #rmOfInteger(): string {
    return this.#random.oneIn(2) ? this.#rm() : ", rne";
  }

  #operations(count: number): void {
    const random = this.#random;
    for (let index = 0; index < count; index++) {
      // Else most operands soon are NaNs.
      while (random.oneIn(2)) this.#lines.push(this.#load());
      this.#lines.push(this.#operation());
      if (random.oneIn(2)) this.#fold();
    }
  }

  #load(): string {
    const random = this.#random;
    return random.oneIn(4)
      ? `flw ${this.#f()}, ${4 * random.below(2 * OPERANDS)}(s1)`
      : `fld ${this.#f()}, ${8 * random.below(OPERANDS)}(s1)`;
  }

  /** Takes results and flags so far into a checksum, and starts with other flags. */
  #fold(): void {
    const flags = `csrrwi t2, fflags, ${this.#random.pick([0, 1, 1, 1, 30])}`;
    const result = [`fmv.x.d t2, ${this.#f()}`, "add a3, a3, t2", `add a3, a3, ${this.#x()}`];
    this.#lines.push(flags, "xor a3, a3, t2", "mul a3, a3, s6", ...result, "mul a3, a3, s6");
  }

  #label(): string {
    return `local${this.#labels++}`;
  }

  #piece(): void {
    const random = this.#random;
    const lines = this.#lines;
    random.pick<() => void>([
      () => this.#operations(6),
      () => {
        const over = this.#label();
        lines.push(`flt.d t2, ${this.#f()}, ${this.#f()}`, `beqz t2, ${over}`);
        this.#operations(3);
        lines.push(`${over}:`);
      },
      () => {
        const again = this.#label();
        lines.push("li s4, 3", `${again}:`);
        this.#operations(4);
        lines.push("addi s4, s4, -1", `bnez s4, ${again}`);
      },
      () => lines.push("jal ra, function"),
      () => lines.push(`li t2, ${random.oneIn(2) ? random.below(5) : 0}`, "csrw frm, t2"),
      () => lines.push(`li t2, ${random.pick([0, 1, 1, 30])}`, "csrrw a1, fflags, t2"),
    ])();
  }

  text(): string {
    const random = this.#random;
    const lines = this.#lines;
    const load = Array.from({ length: REGISTERS }, (_, n) => `fld ${register(n)}, ${8 * n}(s1)`);
    const store = Array.from({ length: REGISTERS }, (_, n) => `fsd ${register(n)}, ${8 * (WORDS + n)}(s2)`);
    const frm = random.oneIn(3) ? random.below(5) : 0;
    lines.push(`li s1, ${DATA}`, `li s2, ${OUT}`, "li a0, 3", "li a1, -70000", "li a2, 0x123456789abcdef");
    lines.push("li a3, 1", "li s6, 0x9e3779b97f4a7c15");
    lines.push(...load, `li t2, ${(frm << 5) | random.below(2)}`, "csrw fcsr, t2", "li s5, 30", "again:");
    for (let piece = 0; piece < 8; piece++) this.#piece();
    lines.push("addi s5, s5, -1", "bnez s5, again");
    lines.push(...store, "csrr t2, fcsr", "j end", "function:");
    this.#operations(3);
    lines.push("ret", "end:", "nop");
    return lines.join("\n");
  }
}

function register(number: number): string {
  if (number < 8) return `ft${number}`;
  if (number < 10) return `fs${number - 8}`;
  if (number < 18) return `fa${number - 10}`;
  return number < 28 ? `fs${number - 16}` : `ft${number - 20}`;
}

/** All that a program leaves behind. */
function outcome(tier: Tier, body: string, operands: readonly bigint[]): string[] {
  const ending = attempt({
    tier,
    mode: "machine",
    body,
    prepare: (_, { memory }) => {
      const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
      operands.forEach((value, index) => {
        view.setBigUint64(DATA - 0x8000_0000 + 8 * index, value, true);
      });
    },
  });
  const words = Array.from({ length: WORDS + REGISTERS }, (_, index) => ending.dword(OUT + 8 * index));
  const integers = ["a0", "a1", "a2", "a3", "t2"].map((name) => ending.x(name));
  return [String(ending.cause), ...[...integers, ...words].map((word) => word.toString(16))];
}

describe("floating point in regions", () => {
  test(`${PROGRAMS} random programs leave the same in both tiers`, { timeout: 300_000 }, () => {
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const random = new Random(seed);
      const body = new Program(random).text();
      const operands = Array.from({ length: OPERANDS }, () => operand(random));
      const [interpreted, translated] = TIERS.map((tier) => outcome(tier, body, operands));
      expect(interpreted?.[0], body).toBe("completed");
      expect(translated, `program ${seed}\n${body}`).toEqual(interpreted);
    }
  });
});

import { describe, it } from "vitest";
import { withoutReserved } from "./csr-qemu-differences.ts";
import { type Access, compareSteps, MAX_READS, Random, type Step } from "./csr-qemu-steps.ts";

/** CSRs whose values depend on nothing but what was written. `mip` has no lines in these programs. */
const STABLE: readonly string[] = [
  ...["mstatus", "sstatus", "misa", "medeleg", "mideleg", "mie", "mip", "sie", "sip", "mtvec", "stvec"],
  ...["mcounteren", "scounteren", "senvcfg", "mscratch", "sscratch", "mepc", "sepc", "mcause", "scause"],
  ...["mtval", "stval", "satp", "fflags", "frm", "fcsr"],
];

/** What a write may show up in. */
const RELATED: Readonly<Record<string, readonly string[]>> = {
  mstatus: ["sstatus"],
  sstatus: ["mstatus"],
  mie: ["sie"],
  sie: ["mie"],
  mip: ["sip"],
  sip: ["mip"],
  fflags: ["fcsr", "mstatus"],
  frm: ["fcsr", "sstatus"],
  fcsr: ["fflags", "frm"],
};

function randomStep(random: Random): Step {
  const operations = ["csrrw", "csrrw", "csrrs", "csrrc"] as const;
  const written = (name: string): Access => ({
    name,
    operation: random.pick(operations),
    value: withoutReserved(name, random.value()),
  });
  const first = random.pick(STABLE.filter((name) => name !== "misa"));
  const accesses = [written(first)];
  // Nothing else goes with mstatus, since an interrupt that is enabled would be taken.
  if (/^[ms](ie|ip|ideleg)$/.test(first)) {
    accesses.unshift(written("mideleg"));
    accesses.push(written(random.pick(["mie", "sie", "mip", "sip"])));
  }
  const reads = new Set([...accesses.map(({ name }) => name), ...(RELATED[first] ?? [])]);
  // With FS off the floating-point CSRs trap.
  const others = /^[ms]status$/.test(first) ? STABLE.filter((name) => !name.startsWith("f")) : STABLE;
  while (reads.size < MAX_READS) reads.add(random.pick(others));
  return { accesses, reads: [...reads] };
}

describe("CSRs against QEMU", () => {
  it("reads back what was written to M- and S-mode CSRs, by write, set and clear", () => {
    const random = new Random(0x1234_5678_9abc_def1n);
    compareSteps(Array.from({ length: 20_000 }, () => randomStep(random)));
  }, 120_000);

  it("Sstc, chapter 2: stimecmp drives mip.STIP while menvcfg.STCE is set, software does otherwise", () => {
    const random = new Random(0xfeed_5eed_0000_0001n);
    const STCE = 1n << 63n;
    const write = (name: string, value: bigint): Access => ({ name, operation: "csrrw", value });
    const steps = Array.from({ length: 2_000 }, (): Step => {
      const compared = random.below(2) === 1;
      const menvcfg = withoutReserved("menvcfg", random.value()) & ~STCE;
      const accesses = compared
        ? [
            write("menvcfg", menvcfg | STCE),
            write("stimecmp", random.pick([0n, 1n << 45n, 1n << 60n, 2n ** 64n - 1n])),
            write("mip", random.value()),
          ]
        : [write("menvcfg", menvcfg), write("mip", random.value())];
      return { accesses, reads: ["mip", "sip", "menvcfg", "stimecmp"] };
    });
    compareSteps(steps);
  }, 60_000);

  it("section 3.1.12: mcountinhibit freezes mcycle and minstret, which hold what was written", () => {
    const random = new Random(0xfeed_5eed_0000_0002n);
    const steps = Array.from({ length: 1_000 }, (): Step => {
      const counters = random.pick([["mcycle"], ["minstret"], ["mcycle", "minstret"]]);
      const accesses: Access[] = counters.map((name) => ({
        name,
        operation: "csrrw",
        value: random.value(),
      }));
      accesses.unshift({ name: "mcountinhibit", operation: "csrrw", value: random.value() | 5n });
      return { accesses, reads: [...counters, "mcountinhibit"] };
    });
    compareSteps(steps);
  }, 60_000);

  it("section 3.7.1: locks of PMP entries and of the bounds of locked top-of-range entries", () => {
    // A lock lasts until reset: several short programs.
    for (let seed = 1n; seed <= 6n; seed++) compareSteps(pmpSteps(new Random(0x9e37_79b9_7f4a_7c15n * seed)));
  }, 60_000);
});

const PMP: readonly string[] = [
  "pmpcfg0",
  "pmpcfg2",
  ...Array.from({ length: 16 }, (_, entry) => `pmpaddr${entry}`),
];

/** Writes to PMP registers; locked ranges are far from the program, which runs in M-mode. */
function pmpSteps(random: Random): Step[] {
  const range = (): bigint => (1n << 45n) | (random.next64() & 0xffff_ffffn);
  const write = (name: string, value: bigint): Access => ({ name, operation: "csrrw", value });
  const look = (first: string): string[] => {
    const reads = new Set([first]);
    while (reads.size < MAX_READS) reads.add(random.pick(PMP));
    return [...reads];
  };
  const steps = PMP.slice(2).map((name): Step => ({ accesses: [write(name, range())], reads: look(name) }));
  for (let index = 0; index < 200; index++) {
    const name = random.pick(PMP);
    if (name.startsWith("pmpaddr")) {
      steps.push({ accesses: [write(name, range())], reads: look(name) });
      continue;
    }
    let value = withoutReserved(name, random.next64());
    // Locks come one by one. Entry 0 as a top of range would start at zero.
    const kept = random.below(3) === 0 ? 0x80n << BigInt(8 * random.below(8)) : 0n;
    value &= ~0x8080_8080_8080_8080n | kept;
    if (name === "pmpcfg0" && (value & 0x98n) === 0x88n) value |= 0x10n;
    const operation = random.pick(["csrrw", "csrrs"] as const);
    if (operation === "csrrs" && name === "pmpcfg0") value &= ~0xffn;
    steps.push({ accesses: [{ name, operation, value }], reads: look(name) });
  }
  return steps;
}

import { FORMS } from "../../src/asm/form.ts";
import { csrByName } from "../../src/csr/names.ts";
import {
  delegation,
  type Environment,
  environmentControls,
  MENVCFG_BASE,
  pmpValues,
  replacementEntry,
  SUPERVISOR_INTERRUPTS,
  satpValue,
  someBits,
} from "./environment.ts";
import { registerOf, straightInstruction } from "./instructions.ts";
import { MSTATUS_BASE, Table } from "./layout.ts";
import { SCHEMES } from "./page-tables.ts";
import { fixed, type InitialValue, type Item } from "./sequence.ts";

/** A sequence while it grows: its items, and the registers that nothing has taken yet. */
export interface Draft {
  readonly environment: Environment;
  readonly items: Item[];
  readonly reserve: number[];
  /**
   * Whether the sequence may write its own code. Such sequences keep to some pages, since the translations of a whole
   * page are dropped then, and the others should run translated.
   */
  readonly modifiesItself: boolean;
  /** Whether the sequence may have left the mode that it starts in. */
  left: boolean;
}

/** Encodes an instruction by name. */
export function encode(name: string, ...operands: readonly number[]): number {
  const form = FORMS.get(name);
  if (form === undefined) throw new RangeError(`no instruction is called ${name}`);
  return form.encode(operands);
}

const MPRV = 1n << 17n;
const TVM = 1n << 20n;

const csr = (name: string): number => csrByName(name) as number;

/** Takes registers out of the reserve with these initial values; undefined when there are not enough. */
function take(draft: Draft, ...values: readonly InitialValue[]): number[] | undefined {
  if (draft.reserve.length < values.length) return undefined;
  const registers = draft.reserve.splice(0, values.length);
  registers.forEach((register, index) => {
    draft.environment.x[register] =
      typeof values[index] === "bigint" ? BigInt.asUintN(64, values[index]) : (values[index] as InitialValue);
  });
  return registers;
}

function push(draft: Draft, ...words: readonly number[]): void {
  draft.items.push(...words.map(fixed));
}

/** Instructions that belong together: nothing jumps between them. */
function pushTogether(draft: Draft, ...words: readonly number[]): void {
  draft.items.push(...words.map((word, index) => ({ ...fixed(word), inside: index > 0 })));
}

/** Some items ahead of the one that comes next; the end of the sequence may be nearer. */
const AHEAD = [1, 2, 2, 3, 4];

/** A branch or jump forward. `make` encodes it for a distance. */
function forward(draft: Draft, length: 2 | 4, make: (distance: number) => number): void {
  const ahead = draft.environment.random.pick(AHEAD);
  draft.items.push({
    length,
    encode: (self, { offsets, landing }) =>
      make((offsets[landing(self + ahead)] as number) - (offsets[self] as number)),
  });
}

export function branchForward(draft: Draft): void {
  const { environment } = draft;
  const { random } = environment;
  const rs1 = random.below(32);
  const short = 8 + random.below(8);
  const kind = random.below(6);
  if (kind === 0) {
    forward(draft, 2, (distance) => encode("c.j", distance));
  } else if (kind === 1) {
    const name = random.pick(["c.beqz", "c.bnez"]);
    forward(draft, 2, (distance) => encode(name, short, distance));
  } else if (kind === 2) {
    const rd = random.oneIn(2) ? 0 : registerOf(environment, "free");
    forward(draft, 4, (distance) => encode("jal", rd, distance));
  } else {
    const name = random.pick(["beq", "bne", "blt", "bge", "bltu", "bgeu"]);
    const rs2 = random.oneIn(4) ? rs1 : random.below(32);
    forward(draft, 4, (distance) => encode(name, rs1, rs2, distance));
  }
}

/** The address base of code in the mode that the sequence starts in. */
function codeBase({ scheme, mode }: Environment): "virtual" | "physical" {
  return scheme === undefined || mode === 3 ? "physical" : "virtual";
}

export function jumpIndirect(draft: Draft): void {
  const { environment } = draft;
  const { random } = environment;
  const ahead = random.pick(AHEAD);
  const odd = random.oneIn(20);
  const target: InitialValue = odd
    ? random.pick([0n, random.bits64(), 0x6_0000n, 0xffff_ffff_ffff_fffen])
    : { item: draft.items.length + ahead, base: codeBase(environment) };
  const registers = take(draft, target);
  if (registers === undefined) return;
  const [register] = registers as [number];
  const link = random.oneIn(2) ? 0 : registerOf(environment, "free");
  if (environment.roles[1] === "free" && random.oneIn(3)) push(draft, encode("c.jalr", register));
  else if (random.oneIn(3)) push(draft, encode("c.jr", register));
  else push(draft, encode("jalr", link, random.oneIn(3) ? 1 : 0, register));
}

/** A loop of a few rounds around straight-line code. */
export function loop(draft: Draft): void {
  const { environment } = draft;
  const { random } = environment;
  const registers = take(draft, BigInt(2 + random.below(3)));
  if (registers === undefined) return;
  const [counter] = registers as [number];
  const start = draft.items.length;
  for (let count = 1 + random.below(4); count > 0; count--) push(draft, straightInstruction(environment));
  push(draft, encode("addi", counter, counter, -1));
  draft.items.push({
    length: 4,
    encode: (self, { offsets }) =>
      encode("bne", counter, 0, (offsets[start] as number) - (offsets[self] as number)),
  });
}

/** LR, something in between, SC to the same or to another address. */
export function reservation(draft: Draft): void {
  const { environment } = draft;
  const { random } = environment;
  const size = environment.reservationSize;
  if (environment.holes) return;
  const address = registerOf(environment, "pointer");
  const free = (): number => registerOf(environment, "free");
  push(draft, encode(`lr.${size}${random.pick(["", ".aq", ".aqrl"])}`, free(), address));
  for (let count = random.below(3); count > 0; count--) {
    const name = random.pick(["sb", "sw", "sd"]);
    const value = random.below(32);
    const offset = environment.protects ? random.below(9) & 8 : random.below(9);
    const store = encode(name, value, offset, address);
    push(draft, random.oneIn(3) ? store : straightInstruction(environment));
  }
  const conditional = `sc.${size}${random.pick(["", ".rl", ".aqrl"])}`;
  // A second one fails.
  for (let count = random.oneIn(4) ? 2 : 1; count > 0; count--) {
    push(draft, encode(conditional, free(), random.below(32), address));
  }
}

/** A store over an instruction further on, then `fence.i`. */
export function selfModification(draft: Draft): void {
  const { environment } = draft;
  if (environment.modifiesPrivilege || !draft.modifiesItself) return;
  const ahead = 3 + environment.random.below(3);
  const item = draft.items.length + ahead;
  const replacement = encode(
    "xori",
    registerOf(environment, "free"),
    environment.random.below(32),
    environment.random.below(2048),
  );
  const registers = take(draft, { item, base: codeBase(environment) }, BigInt(replacement));
  if (registers === undefined) return;
  const [address, value] = registers as [number, number];
  push(draft, encode("sw", value, 0, address), encode("fence.i"));
  while (draft.items.length < item)
    push(draft, encode("addi", registerOf(environment, "free"), environment.random.below(32), 1));
  push(
    draft,
    encode(
      "add",
      registerOf(environment, "free"),
      environment.random.below(32),
      environment.random.below(32),
    ),
  );
}

/**
 * A store to a page-table entry, then SFENCE.VMA. Not where TVM may make that trap (privileged specification, section
 * 3.1.6.5): whether the old or the new entry is used without a fence is free.
 */
export function pageTableEdit(draft: Draft): void {
  const { environment } = draft;
  const { random, scheme, tableVirtual, mode, mstatus, pages, csrs } = environment;
  if (scheme === undefined || mode === 0) return;
  if (mode === 1 ? (mstatus & TVM) !== 0n : draft.left) return;
  const page = random.pick(pages);
  const address = mode === 3 ? BigInt(page.entry) : tableVirtual && tableVirtual + BigInt(page.entry % 4096);
  if (address === undefined) return;
  const asid = (csrs.satp >> 44n) & 0xffffn;
  const registers = take(draft, address, replacementEntry(environment, page), page.virtual, asid);
  if (registers === undefined) return;
  const [at, value, virtual, space] = registers as [number, number, number, number];
  push(draft, encode("sd", value, 0, at));
  push(draft, encode("sfence.vma", random.oneIn(2) ? 0 : virtual, random.oneIn(2) ? 0 : space));
}

/** Values for CSRs that keep the harness in control and that QEMU takes like us; by name. */
function controlledValue(name: string, operation: string, environment: Environment): bigint | undefined {
  const { random, mode, csrs, switchesTranslation } = environment;
  // Setting or clearing one bit of MPP or FS could give a value that is reserved, or that QEMU treats its own way.
  const whole = operation === "csrrw";
  const base = whole ? MSTATUS_BASE & ~0x6000n : 0n;
  const fs = random.oneIn(8) === whole ? 0n : 0x6000n;
  switch (name) {
    case "mstatus": {
      const mpp = random.pick(whole ? [0n, 1n, 3n] : [0n, 3n]) << 11n;
      const mprv = environment.modifiesPrivilege && operation !== "csrrc" && random.oneIn(3) ? MPRV : 0n;
      return base | fs | mpp | mprv | someBits(random, [1, 3, 5, 7, 8, 18, 19, 20, 21, 22], 3);
    }
    case "sstatus":
      return base | fs | someBits(random, [1, 5, 8, 18, 19], 2);
    case "mie":
    case "sie":
      return someBits(random, environment.interrupts, 2);
    case "mip":
      return someBits(random, [1, 5, 9], 2);
    case "sip":
      return someBits(random, SUPERVISOR_INTERRUPTS, 2);
    case "medeleg":
      return delegation(random, false);
    case "mideleg":
      return someBits(random, SUPERVISOR_INTERRUPTS, 2);
    case "mcounteren":
    case "scounteren":
      return BigInt(random.bits());
    case "menvcfg":
      return whole ? MENVCFG_BASE | environmentControls(random) : operation === "csrrs" ? 0xf1n : undefined;
    case "senvcfg":
      return whole ? environmentControls(random) : operation === "csrrs" ? 0x31n : undefined;
    case "mepc":
    case "sepc":
      return random.bits64() & ~1n;
    case "stvec":
      return whole ? (csrs.stvec & ~1n) | BigInt(random.below(2)) : undefined;
    case "stimecmp":
      return whole ? random.pick([0n, (1n << 64n) - 1n]) : undefined;
    case "satp": {
      if (!whole || !switchesTranslation) return undefined;
      const asid = BigInt(random.below(65536));
      if (random.oneIn(4))
        return mode === 3
          ? 0n
          : (BigInt(random.pick([1, 7, 11, 15])) << 60n) | (random.bits64() % (1n << 60n));
      // A root with nothing in it.
      const root = random.oneIn(8) ? Table.VECTOR : undefined;
      const scheme = random.pick(SCHEMES);
      return satpValue(root === undefined ? scheme : { ...scheme, root }, asid);
    }
    default:
      return undefined;
  }
}

const CONTROLLED = [
  ...[
    "mstatus",
    "mstatus",
    "sstatus",
    "sstatus",
    "mie",
    "sie",
    "mip",
    "sip",
    "medeleg",
    "mideleg",
    "mcounteren",
  ],
  ...["scounteren", "menvcfg", "senvcfg", "mepc", "sepc", "stvec", "stimecmp", "satp"],
];

/** A write to a CSR that matters, of a value made for it. */
export function controlledCsrWrite(draft: Draft): void {
  const { environment } = draft;
  const { random } = environment;
  const name = random.pick(CONTROLLED);
  const operation = random.pick(["csrrw", "csrrs", "csrrc"]);
  const value = controlledValue(name, operation, environment);
  if (value === undefined) return;
  const registers = take(draft, value);
  if (registers === undefined) return;
  const [source] = registers as [number];
  const rd = name === "menvcfg" || random.oneIn(2) ? 0 : registerOf(environment, "free");
  push(draft, encode(operation, rd, csr(name), source));
  if (name === "satp") push(draft, encode("sfence.vma", 0, 0));
}

/** New PMP entries, and the fence that they need. */
export function pmpChange(draft: Draft): void {
  const { configuration, addresses } = pmpValues(draft.environment);
  if (draft.environment.mode !== 3 || !draft.environment.protects) return;
  const registers = take(draft, configuration, ...addresses);
  if (registers === undefined) return;
  const [cfg, ...rest] = registers as [number, ...number[]];
  for (const [index, register] of rest.entries())
    push(draft, encode("csrrw", 0, csr(`pmpaddr${index}`), register));
  push(draft, encode("csrrw", 0, csr("pmpcfg0"), cfg), encode("sfence.vma", 0, 0));
}

/**
 * MRET from M-mode, or SRET from S- or M-mode, to what follows. Both clear MPRV when they leave M-mode (privileged
 * specification, section 3.1.6.3); QEMU 7.2 leaves it, so that it is cleared before.
 */
export function trapReturn(draft: Draft): void {
  const { environment } = draft;
  const { random, mode, scheme, lower } = environment;
  if (mode === 0) return;
  draft.left = true;
  const machine = mode === 3 && random.oneIn(2);
  const base = scheme === undefined ? "physical" : "virtual";
  const words = machine ? 4 : 3;
  const target = { item: draft.items.length + words + (mode === 3 && !machine ? 1 : 0), base } as const;
  if (machine) {
    const registers = take(draft, target, (3n << 11n) | MPRV, BigInt(lower) << 11n);
    if (registers === undefined) return;
    const [epc, clear, set] = registers as [number, number, number];
    const mepc = encode("csrrw", 0, csr("mepc"), epc);
    const mpp = [encode("csrrc", 0, csr("mstatus"), clear), encode("csrrs", 0, csr("mstatus"), set)];
    pushTogether(draft, mepc, ...mpp, encode("mret"));
  } else {
    const registers = take(draft, target, 1n << 8n, MPRV);
    if (registers === undefined) return;
    const [epc, previous, mprv] = registers as [number, number, number];
    const operation = lower === 1 || random.oneIn(3) ? "csrrs" : "csrrc";
    const spp = encode(operation, 0, csr("sstatus"), previous);
    const before = mode === 3 ? [encode("csrrc", 0, csr("mstatus"), mprv)] : [];
    pushTogether(draft, ...before, encode("csrrw", 0, csr("sepc"), epc), spp, encode("sret"));
  }
}

/** Loads and stores with the rights of another mode (`mstatus.MPRV`). */
export function modifyPrivilege(draft: Draft): void {
  const { environment } = draft;
  if (!environment.modifiesPrivilege) return;
  const registers = take(draft, 3n << 11n, MPRV | (BigInt(environment.lower) << 11n));
  if (registers === undefined) return;
  const [clear, set] = registers as [number, number];
  push(draft, encode("csrrc", 0, csr("mstatus"), clear), encode("csrrs", 0, csr("mstatus"), set));
}

/** WFI while an enabled interrupt is pending that is not taken, since all are off in M-mode. */
export function waitForInterrupt(draft: Draft): void {
  const { mode, interrupts } = draft.environment;
  const pending = interrupts.find((number) => number === 1 || number === 9);
  if (mode !== 3 || draft.left || pending === undefined) return;
  const registers = take(draft, 1n << BigInt(pending));
  if (registers === undefined) return;
  const [bit] = registers as [number];
  const set = [encode("csrrs", 0, csr("mip"), bit), encode("csrrs", 0, csr("mie"), bit)];
  pushTogether(draft, encode("csrrci", 0, csr("mstatus"), 8), ...set, encode("wfi"));
}

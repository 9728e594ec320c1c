import { riscv64 } from "@isomorph/cpu";
import { createVm, type HartThreads } from "../../src/index.ts";
import { kernelOf, sbi } from "./guest.ts";

/**
 * What one run of a litmus test left: two registers of each thread, `r[2 * thread]` and `r[2 * thread + 1]`, their low
 * bits, and the two locations, their low two bits. All are 0 before.
 */
export interface LitmusOutcome {
  readonly r: readonly number[];
  readonly x: number;
  readonly y: number;
}

/**
 * A litmus test. Each thread is a sequence of instructions: x is at (s2), y at (s3), t1 holds 1 and t2 holds 2, a2 and
 * a3 are the thread's registers; t3 to t6 are free.
 */
export interface Litmus {
  readonly name: string;
  readonly threads: readonly string[];
  /** Whether RVWMO forbids the outcome (unprivileged specification, chapter 17), or for a weak test: the outcome looked for. */
  readonly matches: (outcome: LitmusOutcome) => boolean;
  readonly verdict: "forbidden" | "allowed";
}

const SLOTS = 2048;
const SLOT_BYTES = 128;
/** Guest physical addresses, away from the code. */
const BARRIER = 0x80400000;
/** How many slots each thread has left, in cache lines of their own. */
const PROGRESS = 0x80400200;
const HISTOGRAM = 0x80401000;
const RESULTS = 0x80410000;
const LOCATIONS = 0x80500000;

/** A barrier of all threads: the last to come counts up the round at 64(s1), for which the others wait. */
function barrier(label: string, threads: number): string {
  return `
    fence rw, rw
    ld t4, 64(s1)
    li t5, 1
    amoadd.d.aqrl t5, t5, (s1)
    addi t5, t5, 1
    li t6, ${threads}
    bne t5, t6, ${label}wait
    sd zero, 0(s1)
    addi t4, t4, 1
    fence rw, rw
    sd t4, 64(s1)
    j ${label}done
  ${label}wait:
    ld t5, 64(s1)
    beq t5, t4, ${label}wait
  ${label}done:
    fence rw, rw`;
}

/** Looks at how far the partner is so often before a thread goes on without it. */
const PATIENCE = 100;

function body(thread: string, index: number): string {
  return `
  body${index}:
    # Threads go through the slots in pairs, side by side as far as the host lets both run.
    sd s5, 0(s8)
    li t3, ${PATIENCE}
  wait${index}:
    ld t4, 0(s9)
    ble t4, s5, paired${index}
    addi t3, t3, -1
    bnez t3, wait${index}
  paired${index}:
    # A pause of random length moves them against each other.
    slli t3, s6, 13; xor s6, s6, t3; srli t3, s6, 7; xor s6, s6, t3; slli t3, s6, 17; xor s6, s6, t3
    andi t3, s6, 7
  pause${index}:
    addi t3, t3, -1
    bgez t3, pause${index}
  run${index}:
    ${thread}
    sd a2, 0(s4)
    sd a3, 8(s4)
    addi s2, s2, ${SLOT_BYTES}
    addi s3, s3, ${SLOT_BYTES}
    addi s4, s4, 16
    addi s5, s5, -1
    bnez s5, body${index}
    j tally`;
}

/** A kernel that runs a test `batches` times {@link SLOTS} times and counts the outcomes. */
function litmusKernel({ threads }: Litmus, batches: number): Uint8Array {
  const count = threads.length;
  const starts = threads
    .slice(1)
    .map((_, index) => `li a0, ${index + 1}; la a1, other; li a2, 0; ${sbi.hartStart}`);
  const dispatch = threads.map((_, index) => `li t3, ${index}; beq s0, t3, body${index}`);
  return kernelOf(`
    ${starts.join("\n")}
    li a0, 0
  other:
    mv s0, a0
    li s1, ${BARRIER}
    li s11, ${batches}
    li t1, 1
    li t2, 2
    addi s6, s0, 0x5a5
  batch:
    bnez s0, cleared
    li s2, ${LOCATIONS}; li s5, ${SLOTS}
  clear:
    sd zero, 0(s2); sd zero, 64(s2); addi s2, s2, ${SLOT_BYTES}; addi s5, s5, -1; bnez s5, clear
  cleared:
    li s8, ${PROGRESS}
    slli t3, s0, 6
    add s8, s8, t3
    xori s9, s8, 64
    li t3, ${SLOTS + 1}
    sd t3, 0(s8)
    ${barrier("first", count)}
    li s2, ${LOCATIONS}
    addi s3, s2, 64
    li s5, ${SLOTS}
    li s4, ${RESULTS}
    li t3, ${SLOTS * 16}
    mul t3, t3, s0
    add s4, s4, t3
    li a2, 0
    li a3, 0
    ${dispatch.join("\n")}
    ${threads.map(body).join("\n")}
  tally:
    ${barrier("second", count)}
    bnez s0, next
    li s2, ${LOCATIONS}; li s4, ${RESULTS}; li s5, ${SLOTS}; li s7, ${HISTOGRAM}
  outcome:
    ld a4, 0(s2); andi a4, a4, 3
    ld t3, 64(s2); andi t3, t3, 3; slli t3, t3, 2; or a4, a4, t3
    mv t4, s4
    li t5, 4
    li t6, ${4 + 2 * count}
  threads:
    ld t3, 0(t4); andi t3, t3, 1; sll t3, t3, t5; or a4, a4, t3; addi t5, t5, 1
    ld t3, 8(t4); andi t3, t3, 1; sll t3, t3, t5; or a4, a4, t3; addi t5, t5, 1
    li t3, ${SLOTS * 16}; add t4, t4, t3
    bne t5, t6, threads
    slli a4, a4, 3; add a4, a4, s7; ld t3, 0(a4); addi t3, t3, 1; sd t3, 0(a4)
    addi s2, s2, ${SLOT_BYTES}; addi s4, s4, 16; addi s5, s5, -1; bnez s5, outcome
  next:
    addi s11, s11, -1
    bnez s11, batch
    ${barrier("third", count)}
    bnez s0, sleep
    ${sbi.shutdown}
  sleep:
    wfi
    j sleep`);
}

/** How a test is run. */
export interface LitmusOptions {
  readonly threads: HartThreads;
  readonly runs: number;
  readonly translationThreshold?: number;
  readonly signal?: AbortSignal;
}

/** Runs a test at least `runs` times; returns how often each outcome came. */
export async function runLitmus(
  litmus: Litmus,
  { threads, runs, translationThreshold, signal }: LitmusOptions,
): Promise<{ outcome: LitmusOutcome; count: number }[]> {
  const batches = Math.ceil(runs / SLOTS);
  await using vm = await createVm({
    cpu: riscv64(translationThreshold === undefined ? {} : { translationThreshold }),
    memory: 16 << 20,
    harts: litmus.threads.length,
    threads,
    kernel: litmusKernel(litmus, batches),
  });
  const outcome = await vm.run({ ...(signal === undefined ? {} : { signal }) });
  if (outcome.reason !== "power-off") {
    throw new Error(`${litmus.name} ended with ${JSON.stringify(outcome)}`);
  }
  const found: { outcome: LitmusOutcome; count: number }[] = [];
  const bits = 4 + 2 * litmus.threads.length;
  let total = 0;
  for (let index = 0; index < 2 ** bits; index++) {
    const count = Number(vm.memory.data.getBigUint64(HISTOGRAM - vm.memory.base + 8 * index, true));
    if (count === 0) continue;
    total += count;
    const r = Array.from({ length: bits - 4 }, (_, register) => (index >> (4 + register)) & 1);
    found.push({ outcome: { r, x: index & 3, y: (index >> 2) & 3 }, count });
  }
  if (total !== batches * SLOTS) throw new Error(`${litmus.name} ran ${total} times, not ${batches * SLOTS}`);
  return found;
}

const r = (...expected: (number | undefined)[]) => {
  return (outcome: LitmusOutcome): boolean =>
    expected.every((value, index) => value === undefined || outcome.r[index] === value);
};

/** Loads y, then x, the second with an address that depends on the first value. */
const addressDependency = (first: string, second: string): string =>
  `lw a2, ${first}; xor t3, a2, a2; add t3, t3, ${second}; lw a3, 0(t3)`;

const writeX = "sw t1, 0(s2)";
const writeY = "sw t1, 0(s3)";
const storeBuffering = (between: string): string[] => [
  `${writeX}; ${between}; lw a2, 0(s3)`,
  `${writeY}; ${between}; lw a2, 0(s2)`,
];
const withLrSc = (operation: string, address: string): string =>
  `1: lr.w${operation} t3, (${address}); sc.w${operation} t4, t1, (${address}); bnez t4, 1b`
    .replaceAll("1:", `retry${address}:`)
    .replaceAll("1b", `retry${address}`);

/** The classic tests, with fences, atomics and dependencies, and weak ones that show that they can fail. */
export const LITMUS: readonly Litmus[] = [
  { name: "SB", threads: storeBuffering("nop"), matches: r(0, undefined, 0), verdict: "allowed" },
  {
    name: "SB+fence.rw.rws",
    threads: storeBuffering("fence rw, rw"),
    matches: r(0, undefined, 0),
    verdict: "forbidden",
  },
  {
    name: "SB+fence.w.rs",
    threads: storeBuffering("fence w, r"),
    matches: r(0, undefined, 0),
    verdict: "forbidden",
  },
  {
    name: "SB+amoswap.aqrls",
    threads: ["amoswap.w.aqrl zero, t1, (s2); lw a2, 0(s3)", "amoswap.w.aqrl zero, t1, (s3); lw a2, 0(s2)"],
    matches: r(0, undefined, 0),
    verdict: "forbidden",
  },
  {
    name: "SB+lr-sc.aqrls",
    threads: [`${withLrSc(".aqrl", "s2")}; lw a2, 0(s3)`, `${withLrSc(".aqrl", "s3")}; lw a2, 0(s2)`],
    matches: r(0, undefined, 0),
    verdict: "forbidden",
  },
  {
    name: "MP+fence.w.w+fence.r.r",
    threads: [`${writeX}; fence w, w; ${writeY}`, "lw a2, 0(s3); fence r, r; lw a3, 0(s2)"],
    matches: r(undefined, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "MP+fence.w.w+addr",
    threads: [`${writeX}; fence w, w; ${writeY}`, addressDependency("0(s3)", "s2")],
    matches: r(undefined, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "MP+amoswap.rl+amoor.aq",
    threads: [`${writeX}; amoswap.w.rl zero, t1, (s3)`, "amoor.w.aq a2, zero, (s3); lw a3, 0(s2)"],
    matches: r(undefined, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "MP+sc.rl+lr.aq",
    threads: [`${writeX}; ${withLrSc(".rl", "s3")}`, "lr.w.aq a2, (s3); lw a3, 0(s2)"],
    matches: r(undefined, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "LB+fence.rw.rws",
    threads: [`lw a2, 0(s2); fence rw, rw; ${writeY}`, `lw a2, 0(s3); fence rw, rw; ${writeX}`],
    matches: r(1, undefined, 1),
    verdict: "forbidden",
  },
  {
    name: "LB+datas",
    threads: [
      "lw a2, 0(s2); xor t3, a2, a2; or t3, t3, t1; sw t3, 0(s3)",
      "lw a2, 0(s3); xor t3, a2, a2; or t3, t3, t1; sw t3, 0(s2)",
    ],
    matches: r(1, undefined, 1),
    verdict: "forbidden",
  },
  {
    name: "LB+amos",
    threads: ["lw a2, 0(s2); amoswap.w.rl zero, t1, (s3)", "lw a2, 0(s3); amoswap.w.rl zero, t1, (s2)"],
    matches: r(1, undefined, 1),
    verdict: "forbidden",
  },
  {
    name: "CoRR",
    threads: [writeX, "lw a2, 0(s2); lw a3, 0(s2)"],
    matches: r(undefined, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "2+2W+fence.w.ws",
    threads: ["sw t1, 0(s2); fence w, w; sw t2, 0(s3)", "sw t1, 0(s3); fence w, w; sw t2, 0(s2)"],
    matches: ({ x, y }) => x === 1 && y === 1,
    verdict: "forbidden",
  },
  {
    name: "R+fence.rw.rws",
    threads: [`${writeX}; fence rw, rw; ${writeY}`, "sw t2, 0(s3); fence rw, rw; lw a2, 0(s2)"],
    matches: ({ r: [, , register], y }) => y === 2 && register === 0,
    verdict: "forbidden",
  },
  {
    name: "S+fence.w.w+data",
    threads: [
      "sw t2, 0(s2); fence w, w; sw t1, 0(s3)",
      "lw a2, 0(s3); xor t3, a2, a2; or t3, t3, t1; sw t3, 0(s2)",
    ],
    matches: ({ r: [, , register], x }) => register === 1 && x === 2,
    verdict: "forbidden",
  },
  {
    name: "WRC+fence.rw.rw+addr",
    threads: [writeX, `lw a2, 0(s2); fence rw, rw; ${writeY}`, addressDependency("0(s3)", "s2")],
    matches: r(undefined, undefined, 1, undefined, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "IRIW+fence.r.rs",
    threads: [
      writeX,
      writeY,
      "lw a2, 0(s2); fence r, r; lw a3, 0(s3)",
      "lw a2, 0(s3); fence r, r; lw a3, 0(s2)",
    ],
    matches: r(undefined, undefined, undefined, undefined, 1, 0, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "IRIW+addrs",
    threads: [writeX, writeY, addressDependency("0(s2)", "s3"), addressDependency("0(s3)", "s2")],
    matches: r(undefined, undefined, undefined, undefined, 1, 0, 1, 0),
    verdict: "forbidden",
  },
  {
    name: "IRIW+amos",
    threads: [
      "amoswap.w zero, t1, (s2)",
      "amoswap.w zero, t1, (s3)",
      "amoor.w.aq a2, zero, (s2); lw a3, 0(s3)",
      "amoor.w.aq a2, zero, (s3); lw a3, 0(s2)",
    ],
    matches: r(undefined, undefined, undefined, undefined, 1, 0, 1, 0),
    verdict: "forbidden",
  },
];

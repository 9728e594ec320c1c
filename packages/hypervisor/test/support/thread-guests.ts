import { kernelOf, sbi } from "./guest.ts";

/** What {@link threadGuests} say of themselves: they power off with code 0, or 1 when something was wrong. */
export interface ThreadGuest {
  readonly name: string;
  readonly harts: number;
  /** Bytes of RAM that it needs. */
  readonly memory: number;
  readonly kernel: Uint8Array;
}

const DATA = 0x80400000;
/** What is beyond the 4 GiB that host addresses of 32 bits reach. */
const DISTANCE = 4.5 * 2 ** 30;
const SMALL = 16 << 20;

/** The same guest with what it shares at a distance from where it is otherwise. */
const distant = (distance: number): { readonly memory: number; readonly where: string } =>
  distance === 0 ? { memory: SMALL, where: "" } : { memory: 5 * 2 ** 30, where: ", beyond 4 GiB" };
const startOthers = (harts: number, data = DATA): string =>
  `li s1, ${data}\n${Array.from(
    { length: harts - 1 },
    (_, index) => `li a0, ${index + 1}; la a1, other; li a2, 0; ${sbi.hartStart}`,
  ).join("\n")}`;
const remoteFence = (functionId: number, mask: number): string =>
  `li a7, 0x52464e43; li a6, ${functionId}; li a0, ${mask}; li a1, 0; li a2, 0; li a3, -1; ecall`;

/** All harts add to one word with AMOs and to another with LR and SC; no addition is lost. */
function counting(harts: number, rounds: number, distance = 0): ThreadGuest {
  const { memory, where } = distant(distance);
  return {
    name: `${harts} harts lose no addition${where}`,
    harts,
    memory,
    kernel: kernelOf(`
      ${startOthers(harts, DATA + distance)}
      li a0, 0
    other:
      mv s0, a0
      li s1, ${DATA + distance}
      li s2, ${rounds}
      addi s3, s1, 64
      addi s4, s1, 128
      li t1, 1
    1: amoadd.d zero, t1, (s1)
    2: lr.w t2, (s3); add t2, t2, t1; sc.w t3, t2, (s3); bnez t3, 2b
      addi s2, s2, -1
      bnez s2, 1b
      amoadd.d.rl zero, t1, (s4)
      beqz s0, 4f
    3: wfi; j 3b
    4: ld t2, (s4); li t3, ${harts}; bne t2, t3, 4b
      fence rw, rw
      li t3, ${harts * rounds}
      ld t2, (s1); bne t2, t3, fail
      lw t2, (s3); bne t2, t3, fail
      ${sbi.shutdown}
    fail: ${sbi.fail}`),
  };
}

/** Two harts wake each other from WFI in turns. */
function pingPong(rounds: number): ThreadGuest {
  const wait = `csrr t0, sip; andi t0, t0, 2; bnez t0, 8f; wfi; j 7b\n 8: csrci sip, 2`;
  return {
    name: "interrupts between harts wake from WFI",
    harts: 2,
    memory: SMALL,
    kernel: kernelOf(`
      ${startOthers(2)}
      csrsi sie, 2
      li s2, ${rounds}
    1: li a0, 2; li a1, 0; ${sbi.sendIpi}
    7: ${wait}
      addi s2, s2, -1; bnez s2, 1b
      ${sbi.shutdown}
    other:
      csrsi sie, 2
    7: ${wait}
      li a0, 1; li a1, 0; ${sbi.sendIpi}
      j 7b`),
  };
}

/** A hart in a loop without calls or device accesses takes an interrupt of another. */
const interruptedLoop: ThreadGuest = {
  name: "an interrupt reaches a hart in a translated loop",
  harts: 2,
  memory: SMALL,
  kernel: kernelOf(`
      ${startOthers(2)}
      li t1, 3000000
    1: addi t1, t1, -1; bnez t1, 1b
      li s2, 200
    2: ld s3, 64(s1)
      li a0, 2; li a1, 0; ${sbi.sendIpi}
    3: ld t1, 64(s1); beq t1, s3, 3b
      addi s2, s2, -1; bnez s2, 2b
      ${sbi.shutdown}
    other:
      li s1, ${DATA}
      la t0, trap; csrw stvec, t0
      csrsi sie, 2
      csrsi sstatus, 2
    4: addi t1, t1, 1; addi t2, t2, 3; j 4b
      .balign 4
    trap:
      csrci sip, 2
      ld t3, 64(s1); addi t3, t3, 1; sd t3, 64(s1)
      sret`),
};

/** Harts that fence each other at the same time do not wait for ever. */
function fencing(harts: number, rounds: number): ThreadGuest {
  const all = 2 ** harts - 1;
  return {
    name: `${harts} harts fence each other`,
    harts,
    memory: SMALL,
    kernel: kernelOf(`
      ${startOthers(harts)}
      li a0, 0
    other:
      mv s0, a0
      li s1, ${DATA}
      li s2, ${rounds}
    1: ${remoteFence(1, all)}; bnez a0, fail
      ${remoteFence(0, all)}; bnez a0, fail
      addi s2, s2, -1; bnez s2, 1b
      li t1, 1; amoadd.d zero, t1, (s1)
      beqz s0, 3f
    2: wfi; j 2b
    3: ld t2, (s1); li t3, ${harts}; bne t2, t3, 3b
      ${sbi.shutdown}
    fail: ${sbi.fail}`),
  };
}

const TABLES = 0x80500000;
const PAGES = 0x80600000;

/** After a remote SFENCE.VMA a hart that loads through a page sees what the changed page table says, and nothing older. */
function remoteTranslation(rounds: number): ThreadGuest {
  // One gigapage for RAM and devices each, and a three-level mapping of 0xC0000000 whose leaf changes.
  const pte = (gpa: number, flags: number): string =>
    `0x${(((BigInt(gpa) >> 12n) << 10n) | BigInt(flags)).toString(16)}`;
  const leaf = 0xcf;
  return {
    name: "a remote fence makes changed page tables seen",
    harts: 2,
    memory: SMALL,
    kernel: kernelOf(`
      li t0, ${TABLES}
      li t1, ${pte(0x80000000, leaf)}; sd t1, 16(t0)
      li t1, ${pte(TABLES + 4096, 1)}; sd t1, 24(t0)
      li t0, ${TABLES + 4096}; li t1, ${pte(TABLES + 8192, 1)}; sd t1, 0(t0)
      li t0, ${TABLES + 8192}; li t1, ${pte(PAGES, leaf)}; sd t1, 0(t0)
      li t0, ${PAGES}; li t1, 1; sd zero, 0(t0); li t2, 4096; add t0, t0, t2; sd t1, 0(t0)
      fence rw, rw
      ${startOthers(2)}
      li s2, ${rounds}
      li s3, 0
      li s4, ${TABLES + 8192}
    1: xori s3, s3, 1
      li t1, ${pte(PAGES, leaf)}
      slli t2, s3, 10; add t1, t1, t2
      sd t1, 0(s4)
      fence rw, rw
      ${remoteFence(1, 2)}
      # The other hart is told what it has to see from now on, and says when it has looked.
      addi t1, s3, 2
      sd t1, 0(s1)
    2: ld t1, 64(s1); li t2, 1; beq t1, t2, fail
      ld t1, 0(s1); bnez t1, 2b
      addi s2, s2, -1; bnez s2, 1b
      ${sbi.shutdown}
    fail: ${sbi.fail}
    other:
      li s1, ${DATA}
      li t0, ${(8n << 60n) | BigInt(TABLES >>> 12)}
      csrw satp, t0
      sfence.vma
      li s2, 0xC0000000
      li s5, 1
    3: ld t4, 0(s1)
      fence rw, rw
      ld t3, 0(s2)
      beqz t4, 3b
      addi t4, t4, -2
      beq t3, t4, 4f
      sd s5, 64(s1)
    4: fence rw, rw
      sd zero, 0(s1)
      j 3b`),
  };
}

/** One hart changes code that another executes all the time, and fences: by SBI, or by the other's own FENCE.I. */
function changingCode(rounds: number, how: "remote" | "own", distance = 0): ThreadGuest {
  const { memory, where } = distant(distance);
  const code = 0x80700000 + distance;
  // addi a0, zero, N; jalr zero, 0(ra)
  return {
    name: `code that another hart changes is seen after ${how === "remote" ? "a remote" : "its own"} fence.i${where}`,
    harts: 2,
    memory,
    kernel: kernelOf(`
      li s4, ${code}
      li t1, 0x00000513; sw t1, 0(s4); li t1, 0x00008067; sw t1, 4(s4)
      fence rw, rw
      ${startOthers(2, DATA + distance)}
      li s2, ${rounds}
      li s3, 0
    1: addi s3, s3, 1
      andi s3, s3, 1023
      slli t1, s3, 20; ori t1, t1, 0x513
      sw t1, 0(s4)
      fence rw, rw
      ${how === "remote" ? remoteFence(0, 2) : "nop"}
      addi t1, s3, 1
      sd t1, 0(s1)
    2: ld t1, 64(s1); li t2, 1; beq t1, t2, fail
      ld t1, 0(s1); bnez t1, 2b
      # Now and then the other hart has time to have the code translated.
      andi t1, s3, 15; bnez t1, 4f
      li t1, 200000
    3: addi t1, t1, -1; bnez t1, 3b
    4: addi s2, s2, -1; bnez s2, 1b
      ${sbi.shutdown}
    fail: ${sbi.fail}
    other:
      li s1, ${DATA + distance}
      li s4, ${code}
      li s5, 1
    5: ld s6, 0(s1)
      fence rw, rw
      ${how === "own" ? "beqz s6, 6f; fence.i\n6:" : ""}
      jalr s4
      beqz s6, 5b
      addi s6, s6, -1
      beq a0, s6, 7f
      sd s5, 64(s1)
    7: fence rw, rw
      sd zero, 0(s1)
      j 5b`),
  };
}

/** A hart stops and is started again, with its argument. */
function restarting(rounds: number): ThreadGuest {
  return {
    name: "a hart stops and is started again",
    harts: 2,
    memory: SMALL,
    kernel: kernelOf(`
      li s1, ${DATA}
      li s2, ${rounds}
    1: li a0, 1; la a1, other; mv a2, s2; ${sbi.hartStart}
      bnez a0, 1b
    2: ld t1, 0(s1); bne t1, s2, 2b
      addi s2, s2, -1; bnez s2, 1b
      ${sbi.shutdown}
    other:
      li t0, 1; bne a0, t0, fail
      li s1, ${DATA}
      sd a1, 0(s1)
      li a7, 0x48534d; li a6, 1; ecall
    fail: ${sbi.fail}`),
  };
}

/** Guests that check what threads have to keep, in a short form. */
export const threadGuests: readonly ThreadGuest[] = [
  counting(2, 2_000_000),
  counting(4, 500_000),
  pingPong(300),
  interruptedLoop,
  fencing(2, 2000),
  fencing(4, 300),
  remoteTranslation(2000),
  changingCode(500, "remote"),
  changingCode(500, "own"),
  restarting(200),
  counting(2, 500_000, DISTANCE),
  changingCode(200, "remote", DISTANCE),
  changingCode(200, "own", DISTANCE),
];

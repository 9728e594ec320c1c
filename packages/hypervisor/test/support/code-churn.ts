import { kernelOf } from "./guest.ts";

/** RAM of {@link churningKernel}. */
export const CHURN_MEMORY: number = 64 << 20;

/** Pages of a process: half of them get frames that were not used for long, half always the same ones. */
const PAGES = 16;
const OLD_FRAMES = 0x80600000;
const NEW_FRAMES = 0x80800000;
const NEW_FRAMES_SIZE = 32 << 20;
/** Rounds of each function's loop. */
const LOOP = 60;

/**
 * A guest that does what a day of use does to a translator, and nothing else: processes come and go, each with page
 * tables and an ASID of its own, and each writes code into its pages and runs it often. No two processes have the same
 * code. Frames that have held code hold data meanwhile.
 *
 * `s0` counts the processes.
 */
export function churningKernel(): Uint8Array {
  return kernelOf(`
      li s0, 0; li s1, 0
    process:
      andi t0, s0, 3; li t1, 3 * 4096; mul t0, t0, t1; la s3, tables; add s3, s3, t0
      li t1, 4096; add s4, s3, t1; add s5, s4, t1
      li t1, 0x200000cf; sd t1, 16(s3)                 # 1 GiB of RAM mapped to itself
      srli t1, s4, 2; ori t1, t1, 1; sd t1, 8(s3)
      srli t1, s5, 2; ori t1, t1, 1; sd t1, 0(s4)
      li s6, 0
    page:
      li t0, ${PAGES / 2}; bltu s6, t0, 1f
      slli t2, s6, 12; li t3, ${OLD_FRAMES}; add t2, t2, t3
      j 2f
    1: li t3, ${NEW_FRAMES}; add t2, t3, s1
      li t4, 4096; add s1, s1, t4; li t4, ${NEW_FRAMES_SIZE - 1}; and s1, s1, t4
      # Data first, beside what may be there of code.
      addi t4, t2, 1024; li t5, 300
    3: sd s0, 0(t4); addi t4, t4, 8; addi t5, t5, -1; bnez t5, 3b
    2: srli t1, t2, 2; ori t1, t1, 0xcf; slli t3, s6, 3; add t3, t3, s5; sd t1, 0(t3)
      # addi s11, s11, NUMBER OF THE PROCESS
      slli t3, s0, 20; li t4, 0x000d8d93; or t3, t3, t4
      sw t3, 0(t2); sw t3, 4(t2); sw t3, 8(t2); sw t3, 12(t2)
      la t4, rest; lw t5, 0(t4); sw t5, 16(t2); lw t5, 4(t4); sw t5, 20(t2); lw t5, 8(t4); sw t5, 24(t2)
      addi s6, s6, 1; li t0, ${PAGES}; bltu s6, t0, page
      # The process begins.
      slli t0, s0, 48; srli t0, t0, 4; srli t1, s3, 12; or t0, t0, t1; li t1, 8 << 60; or t0, t0, t1
      csrw satp, t0; sfence.vma; fence.i
      li s7, 3
    4: li s6, 0
    5: slli t2, s6, 12; li t3, 0x40000000; add t2, t2, t3; li a0, ${LOOP}; jalr t2
      addi s6, s6, 1; li t0, ${PAGES}; bltu s6, t0, 5b
      addi s7, s7, -1; bnez s7, 4b
      addi s0, s0, 1
      j process
      .balign 4
    template: nop; nop; nop; nop
    rest: addi a0, a0, -1; bnez a0, template; .word 0x00008067
      .balign 4096
    tables: .zero ${4 * 3 * 4096}`);
}

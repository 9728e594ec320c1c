/** Guests of a few instructions, for what needs no Linux. */
import { assemble } from "@isomorph/cpu/asm";

/** The header by which a RISC-V Linux Image is known, in front of a program for S-mode. */
function image(body: string): Uint8Array {
  const source = `
    j start
    nop
    .dword 0x200000, image_end - 0x80200000, 0
    .word 2, 0
    .dword 0
    .ascii "RISCV"
    .byte 0, 0, 0
    .ascii "RSC"
    .byte 5
    .word 0
  start:
    li s0, 0x10000000
  ${body}
  image_end:
  `;
  return assemble(source, { origin: 0x80200000 }).bytes;
}

const SHUT_DOWN = `
  off:
    li a7, 0x53525354
    li a6, 0
    li a0, 0
    li a1, 0
    ecall
    j off
`;

/** Says "up" and resets, again and again. */
export function rebootingGuest(): Uint8Array {
  return image(`
    la a0, up
  say:
    lbu t0, 0(a0)
    beqz t0, reset
    sb t0, 0(s0)
    addi a0, a0, 1
    j say
  reset:
    li a7, 0x53525354
    li a6, 0
    li a0, 1
    li a1, 0
    ecall
  up: .asciz "up\\r\\n"
  `);
}

/** Says that it is ready, then sends back each byte in angle brackets; `q` switches it off. */
export function echoGuest(): Uint8Array {
  return image(`
    la a0, ready
  hello:
    lbu t0, 0(a0)
    beqz t0, loop
    sb t0, 0(s0)
    addi a0, a0, 1
    j hello
  loop:
    lbu t0, 5(s0)
    andi t0, t0, 1
    beqz t0, loop
    lbu t1, 0(s0)
    li t2, '<'
    sb t2, 0(s0)
    sb t1, 0(s0)
    li t2, '>'
    sb t2, 0(s0)
    li t2, 'q'
    bne t1, t2, loop
    ${SHUT_DOWN}
  ready: .asciz "ready\\r\\n"
  `);
}

/** Prints `count` lines of 64 bytes as fast as it can, and switches itself off. */
export function loudGuest(count: number): Uint8Array {
  return image(`
    li s1, ${count}
  line:
    li t1, 63
    li t0, 'x'
  character:
    sb t0, 0(s0)
    addi t1, t1, -1
    bnez t1, character
    li t0, 10
    sb t0, 0(s0)
    addi s1, s1, -1
    bnez s1, line
    ${SHUT_DOWN}
  `);
}

/** Asks for a reset at once. */
export function resetGuest(): Uint8Array {
  return image(`
    li a7, 0x53525354
    li a6, 0
    li a0, 1
    li a1, 0
    ecall
  stay: j stay
  `);
}

/** Executes nothing: its trap vector is not there. */
export function crashingGuest(): Uint8Array {
  return image(`
    csrw stvec, zero
    .word 0
  `);
}

const FUNCTIONS = 40;

/** Calls functions by turns, each a little less often than code is translated, says "done" and switches itself off, or stays if `end` is "stay". */
export function busyGuest(end: "off" | "stay" = "off"): Uint8Array {
  const indices = Array.from({ length: FUNCTIONS }, (_, index) => index);
  return image(`
    li s1, 2900
    la s3, table
  round:
    mv s4, s3
    li s2, ${FUNCTIONS}
  next:
    lwu t0, 0(s4)
    add t0, t0, s3
    jalr t0
    addi s4, s4, 4
    addi s2, s2, -1
    bnez s2, next
    addi s1, s1, -1
    bnez s1, round
    la a0, done
  say:
    lbu t0, 0(a0)
    beqz t0, ${end}
    sb t0, 0(s0)
    addi a0, a0, 1
    j say
  stay: wfi
    j stay
    ${SHUT_DOWN}
    .balign 4
  table: ${indices.map((index) => `.word f${index} - table`).join("; ")}
    ${indices.map((index) => `f${index}: xori s5, s5, ${index + 1}\n ${"slli s6, s5, 3\n add s5, s5, s6\n".repeat(20)} ret`).join("\n")}
  done: .asciz "done\\r\\n"
  `);
}

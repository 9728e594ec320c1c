import { assemble } from "@isomorph/cpu/asm";
import { linuxImage } from "../../src/index.ts";

/** Where {@link kernelOf} is loaded. */
export const KERNEL = 0x80200000;

/** Assembles a position-independent S-mode program and wraps it as a kernel. */
export function kernelOf(source: string): Uint8Array {
  return linuxImage(assemble(source, { origin: KERNEL + 64 }).bytes);
}

/** Assembles M-mode firmware for the start of RAM. */
export function firmwareOf(source: string): Uint8Array {
  return assemble(source, { origin: 0x80000000 }).bytes;
}

/** Calls of the SBI, for {@link kernelOf}. Each changes a0, a1, a6 and a7, and takes its arguments in a0 to a2. */
export const sbi = {
  shutdown: "li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 0; ecall",
  fail: "li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 1; ecall",
  reboot: "li a7, 0x53525354; li a6, 0; li a0, 1; li a1, 0; ecall",
  putchar: (character: string) => `li a7, 0x4442434e; li a6, 2; li a0, ${character.charCodeAt(0)}; ecall`,
  hartStart: "li a7, 0x48534d; li a6, 0; ecall",
  sendIpi: "li a7, 0x735049; li a6, 0; ecall",
} as const;

/** Counts its starts in RAM that no image covers, and spoils a word of its own image, which must be back. */
export const rebooting: Uint8Array = kernelOf(`
    lla t0, word
    ld t1, 0(t0)
    li t2, 0x1122334455667788
    bne t1, t2, bad
    sd zero, 0(t0)
    li t0, 0x80800000
    ld t1, 0(t0)
    addi t1, t1, 1
    sd t1, 0(t0)
    li t2, 3
    beq t1, t2, done
    ${sbi.reboot}
  done:
    ${sbi.shutdown}
  bad:
    ${sbi.fail}
    .balign 8
  word: .dword 0x1122334455667788`);

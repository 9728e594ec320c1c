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

/**
 * Guest memory, RISC-V page tables and TLBs.
 *
 * @packageDocumentation
 */
export {};

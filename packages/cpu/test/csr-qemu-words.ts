/*
 * Instruction words, by hand: the programs made of these judge what the processor's own tools derive from.
 */

export const ecall = 0x0000_0073;
export const ebreak = 0x0010_0073;
export const mret = 0x3020_0073;
export const sret = 0x1020_0073;
export const nop = 0x0000_0013;

export function csrrw(rd: number, csr: number, rs1: number): number {
  return csrWord(1, rd, csr, rs1);
}

export function csrrs(rd: number, csr: number, rs1: number): number {
  return csrWord(2, rd, csr, rs1);
}

export function csrrc(rd: number, csr: number, rs1: number): number {
  return csrWord(3, rd, csr, rs1);
}

export function addi(rd: number, rs1: number, immediate: number): number {
  return immediateWord(0x13, 0, rd, rs1, immediate);
}

export function ld(rd: number, offset: number, rs1: number): number {
  return immediateWord(0x03, 3, rd, rs1, offset);
}

export function sd(rs2: number, offset: number, rs1: number): number {
  return storeWord(3, rs2, offset, rs1);
}

export function sw(rs2: number, offset: number, rs1: number): number {
  return storeWord(2, rs2, offset, rs1);
}

export function sb(rs2: number, offset: number, rs1: number): number {
  return storeWord(0, rs2, offset, rs1);
}

/** `upper` is a multiple of 4096. */
export function lui(rd: number, upper: number): number {
  return ((upper & ~0xfff) | (rd << 7) | 0x37) >>> 0;
}

export function bltu(rs1: number, rs2: number, offset: number): number {
  return branchWord(6, rs1, rs2, offset);
}

export function jal(rd: number, offset: number): number {
  return (
    ((((offset >> 20) & 1) << 31) |
      (((offset >> 1) & 0x3ff) << 21) |
      (((offset >> 11) & 1) << 20) |
      (((offset >> 12) & 0xff) << 12) |
      (rd << 7) |
      0x6f) >>>
    0
  );
}

export function jalr(rd: number, offset: number, rs1: number): number {
  return immediateWord(0x67, 0, rd, rs1, offset);
}

function csrWord(funct3: number, rd: number, csr: number, rs1: number): number {
  return ((csr << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | 0x73) >>> 0;
}

function immediateWord(opcode: number, funct3: number, rd: number, rs1: number, immediate: number): number {
  if (immediate < -2048 || immediate > 2047) throw new RangeError(`immediate out of range: ${immediate}`);
  return (((immediate & 0xfff) << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;
}

function storeWord(funct3: number, rs2: number, offset: number, rs1: number): number {
  if (offset < -2048 || offset > 2047) throw new RangeError(`offset out of range: ${offset}`);
  const high = ((offset >> 5) & 0x7f) << 25;
  return (high | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | ((offset & 31) << 7) | 0x23) >>> 0;
}

function branchWord(funct3: number, rs1: number, rs2: number, offset: number): number {
  const high = (((offset >> 12) & 1) << 31) | (((offset >> 5) & 0x3f) << 25);
  const low = (((offset >> 1) & 15) << 8) | (((offset >> 11) & 1) << 7);
  return (high | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | low | 0x63) >>> 0;
}

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where QEMU's `virt` board has RAM. */
export const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 64 << 20;
/** Where data starts in RAM; code is below. */
export const DATA_OFFSET = 32 << 20;

/** Instruction words, by hand: these programs judge what the processor's own tools derive from. */
export const word = {
  csrrw: (rd: number, csr: number, rs1: number): number => csrWord(1, rd, csr, rs1),
  csrrs: (rd: number, csr: number, rs1: number): number => csrWord(2, rd, csr, rs1),
  csrrc: (rd: number, csr: number, rs1: number): number => csrWord(3, rd, csr, rs1),
  addi: (rd: number, rs1: number, immediate: number): number => immediateWord(0x13, 0, rd, rs1, immediate),
  ld: (rd: number, offset: number, rs1: number): number => immediateWord(0x03, 3, rd, rs1, offset),
  sd: (rs2: number, offset: number, rs1: number): number => storeWord(3, rs2, offset, rs1),
  sw: (rs2: number, offset: number, rs1: number): number => storeWord(2, rs2, offset, rs1),
  sb: (rs2: number, offset: number, rs1: number): number => storeWord(0, rs2, offset, rs1),
  /** `upper` is a multiple of 4096. */
  lui: (rd: number, upper: number): number => ((upper & ~0xfff) | (rd << 7) | 0x37) >>> 0,
  bltu: (rs1: number, rs2: number, offset: number): number => branchWord(6, rs1, rs2, offset),
  jal: (rd: number, offset: number): number =>
    ((((offset >> 20) & 1) << 31) |
      (((offset >> 1) & 0x3ff) << 21) |
      (((offset >> 11) & 1) << 20) |
      (((offset >> 12) & 0xff) << 12) |
      (rd << 7) |
      0x6f) >>>
    0,
  jalr: (rd: number, offset: number, rs1: number): number => immediateWord(0x67, 0, rd, rs1, offset),
  ecall: 0x0000_0073,
  ebreak: 0x0010_0073,
  mret: 0x3020_0073,
  sret: 0x1020_0073,
  nop: 0x0000_0013,
} as const;

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

/** A bare-metal program: code from the start of RAM, data from {@link DATA_OFFSET} on. */
export class QemuProgram {
  readonly memory: Buffer = Buffer.alloc(RAM_SIZE);
  /** Where the next word goes, from the start of RAM. */
  at = 0;

  emit(...words: number[]): void {
    for (const each of words) {
      if (this.at >= DATA_OFFSET) throw new RangeError("the program is too long");
      this.memory.writeUInt32LE(each >>> 0, this.at);
      this.at += 4;
    }
  }

  /** Loads a 64-bit constant, out of the instruction stream. */
  constant(rd: number, value: bigint): void {
    // auipc rd, 0; ld rd, 12(rd); jal x0, +12; the constant.
    this.emit((rd << 7) | 0x17, word.ld(rd, 12, rd), word.jal(0, 12));
    this.memory.writeBigUInt64LE(BigInt.asUintN(64, value), this.at);
    this.at += 8;
  }

  /** Powers off. */
  stop(): void {
    this.emit(word.lui(30, 0x10_0000), word.lui(31, 0x5000), word.addi(31, 31, 0x555), word.sw(31, 0, 30));
    this.emit(word.jal(0, 0));
  }

  /**
   * Runs the program until it stops and gives back the memory. Fails when QEMU does not end by itself.
   * `properties` of the processor come on top of those with which it is like ours.
   */
  run(properties = ""): Buffer {
    const directory = mkdtempSync(join(tmpdir(), "isomorph-csr-"));
    try {
      const path = join(directory, "ram");
      writeFileSync(path, this.memory);
      const { status, error, stderr } = spawnSync(
        "qemu-system-riscv64",
        [
          ...[
            "-M",
            "virt,memory-backend=ram",
            "-cpu",
            `rv64,h=false${properties}`,
            "-m",
            "64M",
            "-bios",
            "none",
          ],
          ...["-object", `memory-backend-file,id=ram,size=64M,mem-path=${path},share=on`],
          ...["-display", "none", "-serial", "none", "-monitor", "none"],
        ],
        { encoding: "utf8", timeout: 60_000 },
      );
      if (error !== undefined || status !== 0) {
        throw new Error(`qemu-system-riscv64 ended with ${status}: ${stderr}`, { cause: error });
      }
      return readFileSync(path);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

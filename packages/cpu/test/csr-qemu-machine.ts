import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as word from "./csr-qemu-words.ts";

/** Where QEMU's `virt` board has RAM. */
export const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 0x100_0000;
/** Where data starts in RAM; code is below. QEMU puts its device tree into the last 2 MiB. */
export const DATA_OFFSET = 0x80_0000;

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
            "16M",
            "-bios",
            "none",
          ],
          ...["-object", `memory-backend-file,id=ram,size=16M,mem-path=${path},share=on`],
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

import type { I32 } from "@isomorph/wasm";
import { State } from "../state.ts";
import { type Extension, encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { Semantics } from "./semantics.ts";

const SYSTEM = Opcode.SYSTEM;

/** `mstatus` bits that make instructions of S-mode trap (privileged specification 20240411, section 3.1.6.6). */
const TVM = 1 << 20;
const TW = 1 << 21;
const TSR = 1 << 22;

/** `menvcfg` and `senvcfg` bits of the cache-block instructions (section 3.1.18). */
const CBIE = 3 << 4;
const CBCFE = 1 << 6;
const CBZE = 1 << 7;

/** Zicsr, Zifencei, the trap-return and supervisor instructions, and the cache-block operations. */
export const privileged: readonly Instruction[] = [
  csr("csrrw", "rd, csr, rs1", 1, (s) => s.csr("write", "register")),
  csr("csrrs", "rd, csr, rs1", 2, (s) => s.csr("set", "register")),
  csr("csrrc", "rd, csr, rs1", 3, (s) => s.csr("clear", "register")),
  csr("csrrwi", "rd, csr, zimm", 5, (s) => s.csr("write", "immediate")),
  csr("csrrsi", "rd, csr, zimm", 6, (s) => s.csr("set", "immediate")),
  csr("csrrci", "rd, csr, zimm", 7, (s) => s.csr("clear", "immediate")),
  system("i", "ecall", 0x000, (s) => s.environmentCall()),
  system("i", "ebreak", 0x001, (s) => s.trap(3)),
  system("privileged", "sret", 0x102, (s) => {
    s.illegalIf(forbidden(s, TSR));
    s.trapReturn("supervisor");
  }),
  system("privileged", "mret", 0x302, (s) => {
    s.illegalIf(s.i32.ltU(s.state32(State.MODE), 3));
    s.trapReturn("machine");
  }),
  system("privileged", "wfi", 0x105, (s) => {
    s.illegalIf(forbidden(s, TW));
    s.waitForInterrupt();
  }),
  instruction(
    "privileged",
    "sfence.vma",
    "rs1, rs2",
    encoding(SYSTEM, 0, 0x09),
    0xfe007fff,
    (s) => {
      s.illegalIf(forbidden(s, TVM));
      s.fenceAddressTranslation();
    },
    "system",
  ),
  instruction(
    "zifencei",
    "fence.i",
    "",
    encoding(Opcode.MISC_MEM, 1),
    Mask.FUNCT3,
    (s) => s.fenceInstruction(),
    "system",
  ),
  cacheBlock("zicbom", "cbo.inval", 0, (s) => {
    s.illegalIf(notEnabled(s, CBIE));
    s.probeBlock(s.x1());
  }),
  cacheBlock("zicbom", "cbo.clean", 1, (s) => {
    s.illegalIf(notEnabled(s, CBCFE));
    s.probeBlock(s.x1());
  }),
  cacheBlock("zicbom", "cbo.flush", 2, (s) => {
    s.illegalIf(notEnabled(s, CBCFE));
    s.probeBlock(s.x1());
  }),
  cacheBlock("zicboz", "cbo.zero", 4, (s) => {
    s.illegalIf(notEnabled(s, CBZE));
    s.zeroBlock(s.x1());
  }),
];

function csr(name: string, syntax: string, funct3: number, execute: (s: Semantics) => void): Instruction {
  return instruction("zicsr", name, syntax, encoding(SYSTEM, funct3), Mask.FUNCT3, execute, "system");
}

function system(
  extension: Extension,
  name: string,
  funct12: number,
  execute: (s: Semantics) => void,
): Instruction {
  return instruction(extension, name, "", SYSTEM | (funct12 << 20), Mask.ALL, execute, "system");
}

function cacheBlock(
  extension: Extension,
  name: string,
  number: number,
  execute: (s: Semantics) => void,
): Instruction {
  const match = encoding(Opcode.MISC_MEM, 2) | (number << 20);
  return instruction(extension, name, "(rs1)", match, 0xfff07fff, execute, "system");
}

/** In U-mode, or in S-mode with an `mstatus` bit that forbids it. */
function forbidden(s: Semantics, bit: number): I32 {
  const { i32 } = s;
  return i32.or(
    i32.eqz(s.state32(State.MODE)),
    i32.and(i32.eq(s.state32(State.MODE), 1), i32.ne(i32.and(s.state32(State.MSTATUS), bit), 0)),
  );
}

/** Below M-mode `menvcfg`, and in U-mode `senvcfg` too, must have a bit set. */
function notEnabled(s: Semantics, bits: number): I32 {
  const { i32 } = s;
  return i32.or(
    i32.and(i32.ltU(s.state32(State.MODE), 3), i32.eqz(i32.and(s.state32(State.MENVCFG), bits))),
    i32.and(i32.eqz(s.state32(State.MODE)), i32.eqz(i32.and(s.state32(State.SENVCFG), bits))),
  );
}

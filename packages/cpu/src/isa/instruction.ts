import { FIELDS, type FieldName } from "./fields.ts";
import type { Semantics } from "./semantics.ts";

/** Extensions, by the names that the device tree and `-march` strings use. */
export type Extension =
  | "i"
  | "m"
  | "a"
  | "f"
  | "d"
  | "zicsr"
  | "zifencei"
  | "zba"
  | "zbb"
  | "zbs"
  | "zbc"
  | "zbkb"
  | "zbkx"
  | "zknd"
  | "zkne"
  | "zknh"
  | "zksed"
  | "zksh"
  | "zicond"
  | "zimop"
  | "zawrs"
  | "zicbom"
  | "zicboz"
  | "privileged";

/** Extensions that add instructions to another one and use its state. */
export type Addition = "zfh" | "zfhmin" | "zfa";

/**
 * How control leaves an instruction: `next` falls through, unless it faults; `branch` goes to `pc + immB` or falls
 * through; `jump` goes to `pc + immJ`; `indirect` goes to a computed address; `system` changes more than registers
 * and memory, so that nothing that was assumed about the hart's state holds after it.
 */
export type Flow = "next" | "branch" | "jump" | "indirect" | "system";

/** The one description of a 32-bit instruction, from which every tool and tier derives. */
export interface Instruction {
  readonly name: string;
  readonly extension: Extension;
  /** The extension that it belongs to, where that is one that adds to {@link extension}. */
  readonly addition: Addition | undefined;
  /** The word under {@link mask} that identifies the instruction. */
  readonly match: number;
  readonly mask: number;
  /** Assembly operands with field names, such as `rd, immI(rs1)`. */
  readonly syntax: string;
  /** The fields in {@link syntax}, in order. */
  readonly fields: readonly FieldName[];
  /** Whether it has these integer registers. */
  readonly hasRs1: boolean;
  readonly hasRs2: boolean;
  readonly hasRd: boolean;
  /** Its field with an immediate, if it has one. */
  readonly immediate: FieldName | undefined;
  readonly flow: Flow;
  /** Emits what the instruction does. */
  readonly execute: (s: Semantics) => void;
}

/** The fields that a syntax names. */
export function syntaxFields(syntax: string): FieldName[] {
  return (syntax.match(/[A-Za-z]\w*/g) ?? []) as FieldName[];
}

/** Describes an instruction. `match` and `mask` are taken as unsigned 32-bit words. */
export function instruction(
  extension: Extension,
  name: string,
  syntax: string,
  match: number,
  mask: number,
  execute: (s: Semantics) => void,
  flow: Flow = "next",
  addition?: Addition,
): Instruction {
  const fields = syntaxFields(syntax);
  return {
    name,
    extension,
    addition,
    match: match >>> 0,
    mask: mask >>> 0,
    syntax,
    fields,
    hasRs1: fields.includes("rs1"),
    hasRs2: fields.includes("rs2"),
    hasRd: fields.includes("rd"),
    immediate: fields.find((field) => ["immediate", "constant"].includes(FIELDS[field].kind)),
    flow,
    execute,
  };
}

/** Opcodes (unprivileged specification, table "RISC-V base opcode map"), low two bits included. */
export const Opcode = {
  LOAD: 0x03,
  LOAD_FP: 0x07,
  MISC_MEM: 0x0f,
  OP_IMM: 0x13,
  AUIPC: 0x17,
  OP_IMM_32: 0x1b,
  STORE: 0x23,
  STORE_FP: 0x27,
  AMO: 0x2f,
  OP: 0x33,
  LUI: 0x37,
  OP_32: 0x3b,
  MADD: 0x43,
  MSUB: 0x47,
  NMSUB: 0x4b,
  NMADD: 0x4f,
  OP_FP: 0x53,
  BRANCH: 0x63,
  JALR: 0x67,
  JAL: 0x6f,
  SYSTEM: 0x73,
} as const;

/** Masks by what identifies an instruction. */
export const Mask = {
  OPCODE: 0x7f,
  FUNCT3: 0x707f,
  FUNCT6: 0xfc00707f,
  FUNCT7: 0xfe00707f,
  FUNCT12: 0xfff0707f,
  ALL: 0xffffffff,
} as const;

/** Assembles the fixed bits of an instruction. */
export function encoding(opcode: number, funct3 = 0, funct7 = 0, rs2 = 0): number {
  return (opcode | (funct3 << 12) | (rs2 << 20) | (funct7 << 25)) >>> 0;
}

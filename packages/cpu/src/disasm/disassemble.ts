import { defaultRounding, FORMS, type Form } from "../asm/form.ts";
import { csrName } from "../csr/names.ts";
import { expand, findCompressed } from "../isa/compressed.ts";
import { decode } from "../isa/decode.ts";
import { FIELDS, type FieldName } from "../isa/fields.ts";
import { CONSTANT_NAMES } from "../isa/float-constants.ts";
import { instructionByName } from "../isa/index.ts";
import {
  FLOAT_REGISTERS,
  fenceSetName,
  INTEGER_REGISTERS,
  ORDERING_SUFFIXES,
  ROUNDING_MODES,
} from "../isa/names.ts";

/** One instruction as text. */
export interface Disassembly {
  /** What the assembler takes to give the same bytes: `addi a0, a0, -1`. */
  readonly text: string;
  /** Bytes of the instruction. */
  readonly length: 1 | 2 | 4;
}

/** `c.nop` as it comes; with an immediate it is a hint. */
const C_NOP = 0x0001;

/**
 * The instruction in a word (a 16-bit one in its low half), or the first one in bytes, as text.
 *
 * Mnemonics are those of the instruction itself, never pseudo-instructions; targets of branches and jumps are
 * addresses, given that of the instruction. What is no instruction, or one with a reserved operand or with bits set
 * that assembly cannot express, reads `.2byte` or `.4byte` (`.byte` for the one byte that may be left at the end).
 * Throws a RangeError for no bytes at all.
 */
export function disassemble(code: number | Uint8Array, pc: number | bigint = 0): Disassembly {
  if (typeof code === "number")
    return (code & 3) === 3 ? fullLength(code >>> 0, BigInt(pc)) : half(code & 0xffff, BigInt(pc));
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  if (view.byteLength === 0) throw new RangeError("no bytes to disassemble");
  if (view.byteLength === 1) return { text: `.byte ${hex(view.getUint8(0))}`, length: 1 };
  const low = view.getUint16(0, true);
  if ((low & 3) !== 3) return half(low, BigInt(pc));
  if (view.byteLength < 4) return { text: `.2byte ${hex(low)}`, length: 2 };
  return fullLength(view.getUint32(0, true), BigInt(pc));
}

function fullLength(word: number, pc: bigint): Disassembly {
  const found = decode(word);
  const suffix = found?.syntax.includes("{aqrl}") ? ORDERING_SUFFIXES[FIELDS.aqrl.decode(word)] : "";
  const form = word === 0x8330000f ? FORMS.get("fence.tso") : FORMS.get(`${found?.name}${suffix}`);
  return { text: formText(form, word, word, pc) ?? `.4byte ${hex(word)}`, length: 4 };
}

function half(bits: number, pc: bigint): Disassembly {
  const row = findCompressed(bits);
  const text = row && formText(FORMS.get(row.name), bits, expand(bits, instructionByName), pc);
  return { text: text ?? `.2byte ${hex(bits)}`, length: 2 };
}

/** The text of `code`, whose fields are in `word`; undefined when assembling it would not give `code` again. */
function formText(form: Form | undefined, code: number, word: number, pc: bigint): string | undefined {
  if (form === undefined) return undefined;
  const shown = new Map<string, string>();
  for (const field of form.fields) {
    const text = fieldText(field, FIELDS[field].decode(word), pc);
    if (text === undefined) return undefined;
    shown.set(field, text);
  }
  if (form.encode(form.fields.map((field) => FIELDS[field].decode(word))) !== code) return undefined;
  if (shown.get("rm") === defaultRounding(form.name)) shown.delete("rm");
  const operands = form.syntax
    .split(", ")
    .filter((operand) => operand !== "rm" || shown.has("rm"))
    .map((operand) => operand.replace(/\w+/g, (field) => shown.get(field) as string));
  return form.syntax === "" || code === C_NOP ? form.name : `${form.name} ${operands.join(", ")}`;
}

/** An operand's text; undefined for a reserved rounding mode or round number. */
function fieldText(field: FieldName, value: number, pc: bigint): string | undefined {
  switch (field) {
    case "immB":
    case "immJ":
      return `0x${BigInt.asUintN(64, pc + BigInt(value)).toString(16)}`;
    case "immU":
    case "shamt5":
    case "shamt6":
    case "byteSelect":
      return hex(value);
    case "rnum":
      return value <= 10 ? hex(value) : undefined;
    default:
  }
  switch (FIELDS[field].kind) {
    case "x":
      return INTEGER_REGISTERS[value];
    case "f":
      return FLOAT_REGISTERS[value];
    case "csr":
      return csrName(value) ?? hex(value);
    case "rounding":
      return ROUNDING_MODES[value];
    case "fence":
      return fenceSetName(value);
    case "constant":
      return CONSTANT_NAMES[value];
    default:
      return `${value}`;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

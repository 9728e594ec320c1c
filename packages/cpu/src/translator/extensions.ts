import type { I64 } from "@isomorph/wasm";
import { FIELDS } from "../isa/fields.ts";
import type { Semantics } from "../isa/semantics.ts";
import type { DecodedInstruction } from "./code-reader.ts";

/** How many low bits a pair of shifts keeps, which is how processors without Zba and Zbb extend numbers. */
type Width = 8 | 16 | 32;
const WIDTHS: ReadonlySet<number> = new Set<Width>([8, 16, 32]);

/** Extensions of the low bits of `rs1`. */
const EXTENSIONS: Readonly<Record<string, Readonly<Record<Width, (s: Semantics) => I64>>>> = {
  srli: {
    8: (s) => s.i64.and(s.x1(), 0xff),
    16: (s) => s.i64.and(s.x1(), 0xffff),
    32: (s) => s.i64.extendI32U(s.w1()),
  },
  srai: {
    8: (s) => s.i64.extend8S(s.x1()),
    16: (s) => s.i64.extend16S(s.x1()),
    32: (s) => s.i64.extendI32S(s.w1()),
  },
};

/**
 * What two instructions compute, to be emitted as the first of them: `slli` and a shift back by as much, if that is an
 * extension and the number shifted to the left is overwritten by it.
 */
export function extensionOf(
  first: DecodedInstruction,
  second: DecodedInstruction | undefined,
): ((s: Semantics) => I64) | undefined {
  if (first.instruction.name !== "slli" || second === undefined) return undefined;
  const width = 64 - FIELDS.shamt6.decode(first.word);
  const rd = FIELDS.rd.decode(first.word);
  if (!WIDTHS.has(width) || FIELDS.shamt6.decode(second.word) !== 64 - width) return undefined;
  if (FIELDS.rs1.decode(second.word) !== rd || FIELDS.rd.decode(second.word) !== rd) return undefined;
  return EXTENSIONS[second.instruction.name]?.[width as Width];
}

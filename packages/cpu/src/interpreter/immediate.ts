import type { I32, Integer32Ops, Var } from "@isomorph/wasm";
import type { FieldName } from "../isa/fields.ts";

/** Takes the immediate among an instruction's fields out of its word, sign-extended; undefined when it has none. */
export function emitImmediate(
  i32: Integer32Ops,
  word: Var<"i32">,
  fields: readonly FieldName[],
): I32 | undefined {
  const bits = (shift: number, mask: number): I32 => i32.and(i32.shrU(word.get(), shift), mask);
  const sign = (bit: number): I32 => i32.shl(i32.shrS(word.get(), 31), bit);
  for (const field of fields) {
    switch (field) {
      case "immI":
        return i32.shrS(word.get(), 20);
      case "immU":
        return i32.and(word.get(), 0xfffff000 | 0);
      case "immS":
        return i32.or(i32.and(i32.shrS(word.get(), 20), -32), bits(7, 31));
      case "immB":
        return i32.or(
          i32.or(i32.or(sign(12), i32.and(i32.shl(word.get(), 4), 0x800)), bits(20, 0x7e0)),
          bits(7, 0x1e),
        );
      case "immJ":
        return i32.or(
          i32.or(i32.or(sign(20), i32.and(word.get(), 0xff000)), bits(9, 0x800)),
          bits(20, 0x7fe),
        );
      case "shamt5":
        return bits(20, 31);
      case "shamt6":
        return bits(20, 63);
      case "byteSelect":
        return i32.shrU(word.get(), 30);
      case "rnum":
        return bits(20, 15);
      case "constant":
      case "zimm":
        return bits(15, 31);
      default:
    }
  }
  return undefined;
}

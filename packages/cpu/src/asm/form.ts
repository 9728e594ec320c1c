import { compressed, compressedSyntax, encodeCompressed } from "../isa/compressed.ts";
import { FIELDS, type FieldName } from "../isa/fields.ts";
import { INSTRUCTIONS, instructionByName } from "../isa/index.ts";
import { syntaxFields } from "../isa/instruction.ts";
import { ORDERING_SUFFIXES } from "../isa/names.ts";

/** An instruction as assembly writes it. */
export interface Form {
  readonly name: string;
  /** Comma-separated operands; each is a field, a field in parentheses, or one field before another in parentheses. */
  readonly syntax: string;
  /** The fields in {@link syntax}, in order. */
  readonly fields: readonly FieldName[];
  readonly length: 2 | 4;
  /** The instruction with these values of {@link fields}. Throws a RangeError when one does not fit. */
  encode(values: readonly number[]): number;
}

function fullForms(): Form[] {
  return INSTRUCTIONS.flatMap(({ name, match, syntax }) => {
    const plain = syntax.replace("{aqrl}", "");
    const fields = syntaxFields(plain);
    const suffixes = plain === syntax ? [""] : ORDERING_SUFFIXES;
    return suffixes.map((suffix, ordering) => ({
      name: `${name}${suffix}`,
      syntax: plain,
      fields,
      length: 4 as const,
      encode: (values: readonly number[]): number => {
        let word = match | FIELDS.aqrl.encode(ordering);
        fields.forEach((field, index) => {
          word |= FIELDS[field].encode(values[index] as number);
        });
        return word >>> 0;
      },
    }));
  });
}

function compressedForms(): Form[] {
  return compressed.map((row) => {
    const syntax = compressedSyntax(row, instructionByName(row.base));
    const fields = syntaxFields(syntax);
    return {
      name: row.name,
      syntax,
      fields,
      length: 2 as const,
      encode: (values: readonly number[]): number => {
        const half = encodeCompressed(
          row,
          Object.fromEntries(fields.map((field, index) => [field, values[index]])),
        );
        if (half === undefined) throw new RangeError(`${row.name} has no room for ${values.join(", ")}`);
        return half;
      },
    };
  });
}

/** The one fence that has a meaning beyond its sets (unprivileged specification, section 2.7). */
const fenceTso: Form = { name: "fence.tso", syntax: "", fields: [], length: 4, encode: () => 0x8330000f };

/** Every instruction by the name that assembly gives it, orderings (`.aq`, `.rl`) included. */
export const FORMS: ReadonlyMap<string, Form> = new Map(
  [...fullForms(), fenceTso, ...compressedForms()].map((form) => [form.name, form]),
);

const EXACT_CONVERSIONS = ["fcvt.d.s", "fcvt.d.w", "fcvt.d.wu", "fcvt.s.h", "fcvt.d.h"];

/** The rounding mode of an instruction that is written without: the first for conversions that are always exact. */
export function defaultRounding(name: string): string {
  return EXACT_CONVERSIONS.includes(name) ? "rne" : "dyn";
}

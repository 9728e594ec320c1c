import { csrByName } from "../csr/names.ts";
import { FIELDS, type FieldName } from "../isa/fields.ts";
import { constantNumber } from "../isa/float-constants.ts";
import { fenceSetBits, ROUNDING_MODES, registerNumber } from "../isa/names.ts";
import { AssemblyError } from "./error.ts";
import { type Expression, parseExpression, type Scope } from "./expression.ts";

/**
 * An operand of a statement: a register, CSR, rounding mode or fence set by name; a number; an expression as text;
 * or an expression. A branch or jump takes its target's address.
 */
export type Operand = string | number | bigint | Expression;

/** The value of an operand that is an expression. */
export function toExpression(operand: Operand): Expression {
  if (typeof operand === "string") return parseExpression(operand);
  if (typeof operand === "object") return operand;
  if (typeof operand === "number" && !Number.isInteger(operand)) {
    throw new AssemblyError(`${operand} is not an integer`, `${operand}`);
  }
  const value = BigInt(operand);
  return { source: `${operand}`, evaluate: () => value };
}

const WHAT = { x: "an integer register", f: "a floating-point register" } as const;

/** Reads an operand for a field: the field's value, or an expression to evaluate later. */
export function readOperand(field: FieldName, operand: Operand): number | Expression {
  const { kind } = FIELDS[field];
  if (kind === "x" || kind === "f") {
    const number = typeof operand === "string" ? registerNumber(kind, operand) : operand;
    if (typeof number === "number") return number;
    const shown = typeof operand === "object" ? operand.source : `${operand}`;
    throw new AssemblyError(`"${shown}" is not ${WHAT[kind]}`, shown);
  }
  if (typeof operand === "string" || kind === "constant") {
    const named = namedValue(field, typeof operand === "object" ? operand.source : `${operand}`);
    if (named !== undefined) return named;
  }
  return toExpression(operand);
}

function namedValue(field: FieldName, name: string): number | undefined {
  switch (FIELDS[field].kind) {
    case "csr":
      return csrByName(name);
    case "rounding": {
      const mode = ROUNDING_MODES.indexOf(name);
      if (mode < 0) throw new AssemblyError(`"${name}" is not a rounding mode`, name);
      return mode;
    }
    case "constant": {
      const number = constantNumber(name);
      if (number === undefined)
        throw new AssemblyError(`"${name}" is not a constant that can be loaded`, name);
      return number;
    }
    case "fence": {
      const bits = fenceSetBits(name);
      if (bits === undefined) throw new AssemblyError(`"${name}" is not a fence set`, name);
      return bits;
    }
    default:
      return undefined;
  }
}

/** The value that goes into a field: targets become distances. */
export function fieldValue(field: FieldName, value: number | Expression, scope: Scope): number {
  if (typeof value === "number") return value;
  const result = value.evaluate(scope);
  const relative = field === "immB" || field === "immJ" ? BigInt.asIntN(64, result - scope.here) : result;
  return Number(relative);
}

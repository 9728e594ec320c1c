import { Assembler, type AssemblerOptions, type Program } from "./assembler.ts";
import { AssemblyError } from "./error.ts";
import { escapedCharacter } from "./expression.ts";
import { FORMS } from "./form.ts";

/**
 * Assembles a program from text, one statement a line (or several with `;` between them).
 *
 * A statement is `label:`, an instruction, or a directive: `.byte`, `.half`, `.word`, `.dword` (values), `.ascii`,
 * `.asciz` (strings), `.zero` (count), `.balign` (bytes), `.align` (power of two), `.org` (address), `.equ` (name,
 * value). Comments start with `#` or `//`. A number is a label that may be defined many times: `1b` is the one before,
 * `1f` the one after. Throws an AssemblyError that names the line and what in it is wrong.
 */
export function assemble(source: string, options: AssemblerOptions = {}): Program {
  const assembler = new Assembler(options);
  const local = new LocalLabels();
  source.split(/\r?\n/).forEach((text, index) => {
    assembler.line = index + 1;
    try {
      for (const statement of split(withoutComment(text), ";")) line(assembler, local, statement);
    } catch (error) {
      if (error instanceof AssemblyError && error.line === undefined) {
        throw new AssemblyError(error.message, error.token, index + 1);
      }
      throw error;
    }
  });
  return assembler.finish();
}

/** Numeric labels, which may be defined many times. */
class LocalLabels {
  readonly #defined = new Map<string, number>();

  define(number: string): string {
    const count = (this.#defined.get(number) ?? 0) + 1;
    this.#defined.set(number, count);
    return `.L${number}$${count}`;
  }

  /** An operand with its references to numeric labels replaced. */
  resolve(operand: string): string {
    return operand.replace(/(?<![\w.$'])(\d+)([bf])(?![\w'])/g, (_, number: string, direction: string) => {
      const count = this.#defined.get(number) ?? 0;
      return `.L${number}$${direction === "b" ? count : count + 1}`;
    });
  }
}

function line(assembler: Assembler, local: LocalLabels, statement: string): void {
  let rest = statement.trim();
  for (let label = LABEL.exec(rest); label !== null; label = LABEL.exec(rest)) {
    const name = label[1] as string;
    assembler.label(/^\d/.test(name) ? local.define(name) : name);
    rest = rest.slice(label[0].length).trim();
  }
  if (rest === "") return;
  const [, name = "", tail = ""] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
  const operands = split(tail, ",").map((operand) => operand.trim());
  const empty = operands.indexOf("");
  if (empty >= 0 && !(operands.length === 1 && tail.trim() === "")) {
    throw new AssemblyError(`operand ${empty + 1} of "${name}" is missing`, name);
  }
  const given = tail.trim() === "" ? [] : operands;
  if (name.startsWith(".")) directive(assembler, local, name, given);
  else {
    const last = local.resolve(given.at(-1) ?? "");
    const parts = given.length === 0 ? [] : addressParts(last, FORMS.get(name)?.syntax ?? "");
    assembler.emit(name, ...given.slice(0, -1).map((operand) => local.resolve(operand)), ...parts);
  }
}

const LABEL = /^([A-Za-z_.$][\w.$]*|\d+)\s*:/;

/** Where the last operand is an address, `4(sp)` is two operands, and `(sp)` one if the instruction has no offset. */
function addressParts(operand: string, syntax: string): string[] {
  const [, offset, register] = /^(.*?)\s*\(\s*(\w+)\s*\)$/s.exec(operand) ?? [];
  if (offset === undefined || register === undefined || !syntax.endsWith(")")) return [operand];
  if (/\w\(\w+\)$/.test(syntax)) return [offset === "" ? "0" : offset, register];
  return offset === "" || offset === "0" ? [register] : [operand];
}

const VALUES: Readonly<Record<string, "byte" | "half" | "word" | "dword">> = {
  ".byte": "byte",
  ".half": "half",
  ".2byte": "half",
  ".word": "word",
  ".4byte": "word",
  ".dword": "dword",
  ".8byte": "dword",
};

function directive(
  assembler: Assembler,
  local: LocalLabels,
  name: string,
  operands: readonly string[],
): void {
  const resolved = operands.map((operand) => local.resolve(operand));
  const size = VALUES[name];
  if (size !== undefined) {
    assembler.data(size, ...resolved);
    return;
  }
  const one = (): string => {
    if (operands.length !== 1)
      throw new AssemblyError(`"${name}" takes one operand, not ${operands.length}`, name);
    return resolved[0] as string;
  };
  const small = (): number => {
    const text = one();
    if (!/^(0x[\da-f]+|\d+)$/i.test(text) || Number(text) > 1 << 20) {
      throw new AssemblyError(`"${text}" is not an alignment`, text);
    }
    return Number(text);
  };
  switch (name) {
    case ".ascii":
    case ".asciz":
      for (const operand of operands) assembler.ascii(stringValue(operand), name === ".asciz");
      return;
    case ".zero":
      assembler.zero(one());
      return;
    case ".balign":
      assembler.align(small());
      return;
    case ".align":
      if (small() > 20) throw new AssemblyError(`"${one()}" is not an alignment`, one());
      assembler.align(2 ** small());
      return;
    case ".org":
      assembler.org(one());
      return;
    case ".equ": {
      const [symbol, value] = resolved;
      if (
        symbol === undefined ||
        value === undefined ||
        operands.length !== 2 ||
        !/^[A-Za-z_.$][\w.$]*$/.test(symbol)
      ) {
        throw new AssemblyError(`".equ" takes a name and a value`, symbol ?? name);
      }
      assembler.define(symbol, value);
      return;
    }
    default:
      throw new AssemblyError(`unknown directive "${name}"`, name);
  }
}

function stringValue(text: string): string {
  const inner = /^"((?:\\.|[^\\"])*)"$/s.exec(text)?.[1];
  if (inner === undefined) throw new AssemblyError(`${text} is not a string`, text);
  return inner.replace(/\\(.)/gs, (_, letter: string) => escapedCharacter(letter));
}

/** Parts between separators that stand outside strings, characters and parentheses. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = "";
  scan(text, (piece, nested) => {
    if (piece === separator && !nested) {
      parts.push(part);
      part = "";
    } else {
      part += piece;
    }
    return true;
  });
  return [...parts, part];
}

function withoutComment(text: string): string {
  let kept = "";
  scan(text, (piece, _nested, rest) => {
    if (piece === "#" || rest.startsWith("//")) return false;
    kept += piece;
    return true;
  });
  return kept;
}

/** Calls `visit` for each character or literal until it returns false. */
function scan(text: string, visit: (piece: string, nested: boolean, rest: string) => boolean): void {
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const piece = /^("(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])')/.exec(rest)?.[0] ?? (text[at] as string);
    if (piece === "(") depth++;
    if (piece === ")") depth--;
    if (!visit(piece, depth > 0, rest)) return;
    at += piece.length;
  }
}

import { AssemblyError } from "./error.ts";

/** What an expression is evaluated in. */
export interface Scope {
  /** Address of the statement. */
  readonly here: bigint;
  /** The value of a symbol, if it is defined. */
  symbol(name: string): bigint | undefined;
  /** The target of the `%pcrel_hi` in the instruction at an address. */
  pcrelTarget(address: bigint): bigint | undefined;
}

/** A value that may depend on symbols which are not defined yet. */
export interface Expression {
  readonly source: string;
  /** Throws an AssemblyError when a symbol is not defined. */
  evaluate(scope: Scope): bigint;
  /** The argument of `%pcrel_hi`, where the expression is one. */
  readonly pcrelHigh?: (scope: Scope) => bigint;
}

type Evaluate = (scope: Scope) => bigint;

/** The upper 20 bits of a 32-bit value whose low 12 bits are added sign-extended. */
function high20(value: bigint): bigint {
  return ((value + 0x800n) >> 12n) & 0xfffffn;
}

/** The low 12 bits of a value, sign-extended. */
export function low12(value: bigint): bigint {
  return BigInt.asIntN(12, value);
}

const BINARY: readonly (readonly (readonly [string, (a: bigint, b: bigint) => bigint])[])[] = [
  [["|", (a, b) => a | b]],
  [["^", (a, b) => a ^ b]],
  [["&", (a, b) => a & b]],
  [
    ["<<", (a, b) => shift(a, b, 1n)],
    [">>", (a, b) => shift(a, b, -1n)],
  ],
  [
    ["+", (a, b) => a + b],
    ["-", (a, b) => a - b],
  ],
  [
    ["*", (a, b) => a * b],
    ["/", (a, b) => divide(a, b, a / (b === 0n ? 1n : b))],
    ["%", (a, b) => divide(a, b, a % (b === 0n ? 1n : b))],
  ],
];

function shift(value: bigint, count: bigint, direction: bigint): bigint {
  if (count < 0n || count > 64n) throw new AssemblyError(`shift by ${count}`, `${count}`);
  return direction > 0n ? value << count : value >> count;
}

function divide(dividend: bigint, divisor: bigint, result: bigint): bigint {
  if (divisor === 0n) throw new AssemblyError(`${dividend} divided by zero`, "0");
  return result;
}

const TOKEN =
  /\s*(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+|'(?:\\.|[^\\'])'|%[a-z_]+|[A-Za-z_.$][\w.$]*|<<|>>|[-+*/%&|^~()])/y;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", "0": "\0" };

/** The character that a backslash and `letter` stand for. */
export function escapedCharacter(letter: string): string {
  return ESCAPES[letter] ?? letter;
}

function tokens(source: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (source.slice(at).trim() !== "") {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (match === null) {
      const rest = source.slice(at).trim();
      throw new AssemblyError(`cannot read "${rest}" in the expression "${source.trim()}"`, rest);
    }
    found.push(match[1] as string);
    at = TOKEN.lastIndex;
  }
  return found;
}

/**
 * Reads an expression: numbers (decimal, `0x`, `0b`, characters), symbols, `.` for the statement's address,
 * `+ - * / % & | ^ << >> ~` with C's precedence, parentheses, and the functions `%hi`, `%lo`, `%pcrel_hi` and `%pcrel_lo`.
 */
export function parseExpression(source: string): Expression {
  const queue = tokens(source);
  let at = 0;
  let pcrelHigh: Evaluate | undefined;

  const fail = (token: string | undefined): never => {
    const shown = token ?? "the end";
    throw new AssemblyError(
      `unexpected ${shown} in the expression "${source.trim()}"`,
      token ?? source.trim(),
    );
  };
  const expect = (token: string): void => {
    if (queue[at++] !== token) fail(queue[at - 1]);
  };

  function call(name: string): Evaluate {
    expect("(");
    const argument = binary(0);
    expect(")");
    switch (name) {
      case "%hi":
        return (scope) => high20(argument(scope));
      case "%lo":
        return (scope) => low12(argument(scope));
      case "%pcrel_hi":
        pcrelHigh = argument;
        return (scope) => pcrelHigh20(argument(scope), scope.here, source);
      case "%pcrel_lo":
        return (scope) => {
          const address = argument(scope);
          const target = scope.pcrelTarget(address);
          if (target === undefined) {
            throw new AssemblyError(
              `there is no %pcrel_hi at the label in "${source.trim()}"`,
              source.trim(),
            );
          }
          return low12(target - address);
        };
      default:
        return fail(name);
    }
  }

  function unary(): Evaluate {
    const token = queue[at++];
    if (token === undefined) return fail(token);
    if (token === "-" || token === "~" || token === "+") {
      const operand = unary();
      if (token === "+") return operand;
      return token === "-" ? (scope) => -operand(scope) : (scope) => ~operand(scope);
    }
    if (token === "(") {
      const inner = binary(0);
      expect(")");
      return inner;
    }
    if (token.startsWith("%")) return call(token);
    if (token.startsWith("'")) {
      const character = token[1] === "\\" ? escapedCharacter(token[2] as string) : (token[1] as string);
      return () => BigInt(character.charCodeAt(0));
    }
    if (/^\d/.test(token)) {
      const value = BigInt(token);
      return () => value;
    }
    if (token === ".") return (scope) => scope.here;
    if (/^[A-Za-z_.$]/.test(token)) return symbol(token);
    return fail(token);
  }

  function binary(level: number): Evaluate {
    const operators = BINARY[level];
    if (operators === undefined) return unary();
    let left = binary(level + 1);
    for (;;) {
      const found = operators.find(([sign]) => sign === queue[at]);
      if (found === undefined) return left;
      at++;
      const [a, b] = [left, binary(level + 1)];
      left = (scope) => found[1](a(scope), b(scope));
    }
  }

  const evaluate = binary(0);
  if (at < queue.length) fail(queue[at]);
  return { source: source.trim(), evaluate, ...(pcrelHigh === undefined ? {} : { pcrelHigh }) };
}

/** The upper 20 bits of the distance from `here` to `target`. */
export function pcrelHigh20(target: bigint, here: bigint, source: string): bigint {
  const distance = BigInt.asIntN(64, target - here);
  if (distance < -0x8000_0800n || distance >= 0x7fff_f800n) {
    throw new AssemblyError(`"${source.trim()}" is more than 2 GiB away`, source.trim());
  }
  return high20(distance);
}

function symbol(name: string): Evaluate {
  return (scope) => {
    const value = scope.symbol(name);
    if (value === undefined) throw new AssemblyError(`"${name}" is not defined`, name);
    return value;
  };
}

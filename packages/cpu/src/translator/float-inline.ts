import { Access, type HostAddress } from "@isomorph/mmu";
import {
  type Code,
  type F64,
  type FloatOps,
  fusesMultiplyAdd,
  type I32,
  type I64,
  type MemoryOps,
  type Value,
  type Var,
} from "@isomorph/wasm";
import type { Host } from "../float/host.ts";
import { FIELDS } from "../isa/fields.ts";
import type { AccessSize, Semantics } from "../isa/semantics.ts";
import { State } from "../state.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import { isExactFused, isExactProduct, isExactSum, isNotZero } from "./float-exactness.ts";
import type { FloatRegisters } from "./float-registers.ts";

// The host computes what rounds to nearest. Its result is the guest's, flags included, where NX is accrued already and
// the result's exponent tells that no other flag is at stake: a result in the middle of the range, for sums any finite
// one, as sums are exact where they are subnormal. All else is done as the instruction's description says, by the
// exact functions.

/** What the inline forms need of the description's algebra. */
export interface InlineSemantics extends Semantics {
  /** The instructions that access RAM. */
  readonly ram: MemoryOps;
  /** Where an access to the address on the stack goes: pushes a host address, and gives a constant to add. */
  place(
    address: I64,
    size: AccessSize,
    access: number,
  ): { readonly host: HostAddress; readonly offset: number };
}

/** Emits an instruction; false if it has to be done as described. */
type Inline = (form: InlineForm) => boolean;

/** Rounding modes in the instruction: to nearest, and as FRM says. */
const NEAREST = 0;
const TOWARD_ZERO = 1;
const DYNAMIC = 7;

/** Emits an instruction in its inline form, if it has one. */
export function emitInlineFloat(
  semantics: InlineSemantics,
  registers: FloatRegisters,
  decoded: DecodedInstruction,
): boolean {
  const { extension, name } = decoded.instruction;
  if (extension !== "d" && extension !== "f") return false;
  const inline = INLINE.get(name);
  return inline?.(new InlineForm(semantics, registers, decoded)) ?? false;
}

/** One instruction under way. */
class InlineForm {
  readonly code: Code;
  readonly semantics: InlineSemantics;
  readonly registers: FloatRegisters;
  readonly #decoded: DecodedInstruction;

  constructor(semantics: InlineSemantics, registers: FloatRegisters, decoded: DecodedInstruction) {
    this.code = semantics.code;
    this.semantics = semantics;
    this.registers = registers;
    this.#decoded = decoded;
  }

  /** Pushes the host address of the operand in memory, and gives a constant to add. */
  get ram(): MemoryOps {
    return this.semantics.ram;
  }
  place(size: AccessSize, access: number): { readonly host: HostAddress; readonly offset: number } {
    return this.semantics.place(this.semantics.address(), size, access);
  }

  get rm(): number {
    return FIELDS.rm.decode(this.#decoded.word);
  }
  /** Whether it rounds to nearest where the registers are ready. */
  get roundsToNearest(): boolean {
    return this.rm === NEAREST || this.rm === DYNAMIC;
  }
  get fd(): number {
    return FIELDS.fd.decode(this.#decoded.word);
  }
  #source(operand: 1 | 2 | 3): number {
    const field = operand === 1 ? FIELDS.fs1 : operand === 2 ? FIELDS.fs2 : FIELDS.fs3;
    return field.decode(this.#decoded.word);
  }
  get sameSources(): boolean {
    return this.#source(1) === this.#source(2);
  }

  ops<T extends Host>(host: T): FloatOps<T> {
    return (host === "f64" ? this.code.f64 : this.code.f32) as unknown as FloatOps<T>;
  }
  get<T extends Host>(host: T, operand: 1 | 2 | 3): Value<T> {
    const register = this.#source(operand);
    return (host === "f64" ? this.registers.double(register) : this.registers.single(register)) as Value<T>;
  }
  set<T extends Host>(host: T, value: Value<T>): void {
    if (host === "f64") this.registers.setDouble(this.fd, value as unknown as Value<"f64">);
    else this.registers.setSingle(this.fd, value as unknown as Value<"f32">);
  }
  bind<T extends Host>(host: T, value: Value<T>): Var<T> {
    const variable = this.code.var(host);
    variable.set(value);
    return variable;
  }

  /**
   * Orders results: 0 for infinities, NaNs and everything while the registers are not ready; below
   * {@link ORDINARY} where more flags than NX may be at stake.
   */
  rank(host: Host, result: Var<Host>): I32 {
    const { i32, i64 } = this.code;
    const { ready } = this.registers;
    if (host === "f64") {
      const high = i32.wrapI64(i64.shrU(i64.reinterpretF64(result.get() as Value<"f64">), 52));
      return i32.and(i32.add(high, 1), ready.get());
    }
    // Three bits of the fraction come along: a single's exponent is that much shorter.
    const high = i32.shrU(i32.reinterpretF32(result.get() as Value<"f32">), 20);
    return i32.and(i32.add(high, 8), ready.get());
  }

  /** Takes `result` unless the condition holds. */
  setUnless<T extends Host>(condition: I32, host: T, result: Var<T>): void {
    this.describeUnless(this.code.i32.eqz(condition), () => this.set(host, result.get()));
  }

  /**
   * Does the instruction as described unless the condition holds, else by `take`. The description comes first: while
   * it may still leave for the interpreter, the registers that are written are not to be stored.
   */
  describeUnless(condition: I32, take: () => void): void {
    this.code.if(this.code.i32.eqz(condition), () => this.describe(), take);
  }

  /** Whether the condition holds and, other modes having other zeros, the rounding mode is to nearest. */
  whereNearest(condition: I32): I32 {
    if (this.rm !== DYNAMIC) return condition;
    return this.code.i32.and(condition, this.code.i32.eqz(this.semantics.state32(State.FRM)));
  }

  /**
   * Takes `result` if its rank is at least `lowest`, or if `isExact` pushes that it needs no rounding and no flag. Programs
   * that compute with integers may never set NX.
   */
  finish<T extends Host>(host: T, result: Var<T>, lowest: number, isExact: () => I32): void {
    const { code } = this;
    const { i32 } = code;
    const rank = code.let32(this.rank(host, result));
    code.if(
      i32.ltU(rank.get(), lowest),
      () => {
        // Tiny results are slow on many hosts: no more such operations than there have to be.
        const finite = i32.ne(rank.get(), 0);
        const taken = code.choose(
          "i32",
          i32.and(finite, isNotZero(code, host, result)),
          () => i32.const(0),
          () => this.whereNearest(isExact()),
        );
        this.describeUnless(taken, () => this.set(host, result.get()));
      },
      () => this.set(host, result.get()),
    );
  }

  /** Emits the instruction as it is described. */
  describe(): void {
    this.#decoded.instruction.execute(this.semantics);
    if (this.#decoded.instruction.fields.includes("rm")) this.registers.refresh();
  }

  /** Ends the instruction unless the FPU is on, and, with a dynamic rounding mode, unless that one is defined. */
  check(): void {
    this.semantics.useFloat();
    if (this.#decoded.instruction.fields.includes("rm")) {
      this.code.drop(this.semantics.roundingMode());
    }
  }
}

/** The lowest rank above that of results whose exponent is the smallest of normal numbers. */
const ORDINARY: Readonly<Record<Host, number>> = { f64: 3, f32: 24 };
/** The lowest rank of finite results. */
const FINITE: Readonly<Record<Host, number>> = { f64: 1, f32: 8 };

/** A sum or difference. */
function sum(host: Host, operation: "add" | "sub"): Inline {
  return (form) => {
    if (!form.roundsToNearest) return false;
    const ops = form.ops(host);
    form.semantics.useFloat();
    const a = form.get(host, 1);
    const result = form.bind(host, ops[operation](a, form.get(host, 2)));
    form.finish(host, result, FINITE[host], () => {
      const first = form.bind(host, form.get(host, 1));
      const second = form.get(host, 2);
      return isExactSum(
        form.code,
        host,
        first,
        form.bind(host, operation === "sub" ? ops.neg(second) : second),
        result,
      );
    });
    return true;
  };
}

/** What of an operation's operands and result makes a product: of `a` and `b`. */
type Product = (
  form: InlineForm,
  result: Var<Host>,
) => readonly [a: Value<Host>, b: Value<Host>, product: Value<Host>];

/** A product, quotient or root, which is exact where the product in it is. */
function scaled(host: Host, compute: (form: InlineForm) => Value<Host>, product: Product): Inline {
  return (form) => {
    if (!form.roundsToNearest) return false;
    form.semantics.useFloat();
    const result = form.bind(host, compute(form));
    form.finish(host, result, ORDINARY[host], () => {
      const [a, b, whole] = factors(form, host, product(form, result));
      return isExactProduct(form.code, host, a, b, whole);
    });
    return true;
  };
}

/** Pops two factors and their product. */
function factors(
  form: InlineForm,
  host: Host,
  [first, second, product]: readonly [Value<Host>, Value<Host>, Value<Host>],
): readonly [Var<Host>, Var<Host>, Var<Host>] {
  const whole = form.bind(host, product);
  const b = form.bind(host, second);
  return [form.bind(host, first), b, whole];
}

/** A fused operation: what the host fuses. */
function fused(host: Host, negateProduct: boolean, negateAddend: boolean): Inline {
  return (form) => {
    if (!form.roundsToNearest || !fusesMultiplyAdd()) return false;
    const ops = form.ops(host);
    form.semantics.useFloat();
    const operand = (n: 1 | 2 | 3): Value<Host> => {
      const value = form.get(host, n);
      return (n === 1 && negateProduct) || (n === 3 && negateAddend) ? ops.neg(value) : value;
    };
    const a = ops.splat(operand(1));
    const b = ops.splat(operand(2));
    const result = form.bind(host, ops.lane0(ops.relaxedMadd(a, b, ops.splat(operand(3)))));
    form.finish(host, result, ORDINARY[host], () => {
      const bound = ([1, 2, 3] as const).map((n) => form.bind(host, operand(n)));
      const [first, second, third] = bound as [Var<Host>, Var<Host>, Var<Host>];
      return isExactFused(form.code, host, first, second, third, result);
    });
    return true;
  };
}

/** Minimum or maximum: quiet unless an operand is a NaN. */
function selection(host: Host, operation: "min" | "max"): Inline {
  return (form) => {
    const ops = form.ops(host);
    form.semantics.useFloat();
    const a = form.get(host, 1);
    const result = form.bind(host, ops[operation](a, form.get(host, 2)));
    const left = result.get();
    form.setUnless(ops.ne(left, result.get()), host, result);
    return true;
  };
}

/** A comparison: quiet unless an operand is a NaN. `otherwise` holds when `relation` does not and no operand is a NaN. */
function comparison(host: Host, relation: "lt" | "le" | "eq", otherwise: "ge" | "gt" | "ne"): Inline {
  return (form) => {
    const { code, semantics } = form;
    const ops = form.ops(host);
    semantics.useFloat();
    const a = form.get(host, 1);
    const holds = code.let32(ops[relation](a, form.get(host, 2)));
    const left = holds.get();
    const decided =
      otherwise === "ne"
        ? code.i32.or(left, unequal(form, host))
        : code.i32.or(left, ops[otherwise](form.get(host, 1), form.get(host, 2)));
    form.describeUnless(decided, () => semantics.setX(code.i64.extendI32U(holds.get())));
    return true;
  };
}

function unequal(form: InlineForm, host: Host): I32 {
  const ops = form.ops(host);
  const less = ops.lt(form.get(host, 1), form.get(host, 2));
  return form.code.i32.or(less, ops.gt(form.get(host, 1), form.get(host, 2)));
}

/** Sign injection of doubles. */
function signInjection(rule: "copy" | "negate" | "multiply"): Inline {
  return (form) => {
    const { f64 } = form.code;
    form.semantics.useFloat();
    if (rule === "multiply") {
      if (!form.sameSources) return false;
      form.set("f64", f64.abs(form.get("f64", 1)));
    } else if (form.sameSources) {
      const value = form.get("f64", 1);
      form.set("f64", rule === "copy" ? value : f64.neg(value));
    } else {
      const value = form.get("f64", 1);
      const sign = form.get("f64", 2);
      form.set("f64", f64.copysign(value, rule === "copy" ? sign : f64.neg(sign)));
    }
    return true;
  };
}

/** The same of singles whose registers are NaN-boxed or not: what is not is a NaN. */
function signInjectionOfSingles(rule: "copy" | "negate" | "multiply"): Inline {
  return (form) => {
    if (!form.sameSources) return false;
    const { f32 } = form.code;
    form.semantics.useFloat();
    const value = form.get("f32", 1);
    form.set("f32", rule === "copy" ? value : rule === "negate" ? f32.neg(value) : f32.abs(value));
    return true;
  };
}

/** From a word: exact as a double. */
function doubleFromWord(signed: boolean): Inline {
  return (form) => {
    const { f64 } = form.code;
    form.check();
    const word = form.semantics.w1();
    form.set("f64", signed ? f64.convertI32S(word) : f64.convertI32U(word));
    return true;
  };
}

/** From 64 bits, or from a word to a single: rounded. */
function fromInteger(host: Host, bits: 32 | 64, signed: boolean): Inline {
  const limit = host === "f64" ? 2n ** 53n : 2n ** 24n;
  return (form) => {
    if (!form.roundsToNearest) return false;
    const { code, semantics } = form;
    const { i64, i32 } = code;
    semantics.useFloat();
    const source = code.let64(
      bits === 64 ? semantics.x1() : signed ? i64.extendI32S(semantics.w1()) : i64.extendI32U(semantics.w1()),
    );
    const ops = host === "f64" ? code.f64 : code.f32;
    const value = signed ? ops.convertI64S(source.get()) : ops.convertI64U(source.get());
    const result = form.bind(host, value as Value<Host>);
    const exact = signed ? i64.leU(i64.add(source.get(), limit), 2n * limit) : i64.leU(source.get(), limit);
    const taken = i32.or(form.whereNearest(exact), form.registers.ready.get());
    form.describeUnless(taken, () => form.set(host, result.get()));
    return true;
  };
}

/** Limits of the integers that conversions give: magnitudes below, or values from 0 on. */
function toInteger(host: Host, bits: 32 | 64, signed: boolean): Inline {
  const limit = bits === 64 ? 2 ** 63 : signed ? 2 ** 31 : 2 ** 32;
  return (form) => {
    if (!form.roundsToNearest && form.rm !== TOWARD_ZERO) return false;
    const { code, semantics, registers } = form;
    const { f64, i32, i64 } = code;
    semantics.useFloat();
    const source = form.get(host, 1);
    const value = form.bind("f64", host === "f64" ? (source as F64) : f64.promoteF32(source as Value<"f32">));
    const whole = form.rm === TOWARD_ZERO ? value : form.bind("f64", f64.nearest(value.get()));
    const integer = code.let64(i64.truncSatF64S(whole.get()));
    const below = f64.lt(signed ? f64.abs(whole.get()) : whole.get(), f64.const(limit));
    if (!signed) i32.and(below, f64.ge(whole.get(), f64.const(0)));
    // What FRM says, and whether it says something defined, counts for what is exact too.
    const { ready } = registers;
    const flagged =
      form.rm === DYNAMIC
        ? ready.get()
        : i32.or(f64.eq(f64.convertI64S(integer.get()), value.get()), ready.get());
    const decided = i32.and(below, i32.ne(flagged, 0));
    form.describeUnless(decided, () =>
      semantics.setX(bits === 32 ? i64.extend32S(integer.get()) : integer.get()),
    );
    return true;
  };
}

/** From single to double: exact but for NaNs. */
const widened: Inline = (form) => {
  const { f64 } = form.code;
  form.check();
  const result = form.bind("f64", f64.promoteF32(form.get("f32", 1)));
  const left = result.get();
  form.setUnless(f64.ne(left, result.get()), "f64", result);
  return true;
};

/** From double to single. */
const narrowed: Inline = (form) => {
  if (!form.roundsToNearest) return false;
  const { f32, f64 } = form.code;
  form.semantics.useFloat();
  const result = form.bind("f32", f32.demoteF64(form.get("f64", 1)));
  form.finish("f32", result, ORDINARY.f32, () => {
    const value = form.get("f64", 1);
    return f64.eq(value, f64.promoteF32(result.get()));
  });
  return true;
};

/** A load of a double, bit by bit. */
const loadDouble: Inline = (form) => {
  form.semantics.useFloat();
  const { host, offset } = form.place(8, Access.READ);
  form.set("f64", form.ram.f64.load(host, offset));
  return true;
};
const storeDouble: Inline = (form) => {
  form.semantics.useFloat();
  const { host, offset } = form.place(8, Access.WRITE);
  form.ram.f64.store(host, form.get("f64", 2), offset);
  return true;
};
const loadSingle: Inline = (form) => {
  form.semantics.useFloat();
  const { host, offset } = form.place(4, Access.READ);
  form.set("f32", form.ram.f32.load(host, offset));
  return true;
};

const FORMATS = [
  ["d", "f64"],
  ["s", "f32"],
] as const;

/** By the name of the instruction. */
const INLINE: ReadonlyMap<string, Inline> = new Map<string, Inline>([
  ...FORMATS.flatMap(([suffix, host]): [string, Inline][] => {
    const binary = (operation: "mul" | "div") => (form: InlineForm) => {
      const a = form.get(host, 1);
      return form.ops<Host>(host)[operation](a, form.get(host, 2));
    };
    const forms: [string, Inline][] = [
      ["fadd", sum(host, "add")],
      ["fsub", sum(host, "sub")],
      [
        "fmul",
        scaled(host, binary("mul"), (form, result) => [form.get(host, 1), form.get(host, 2), result.get()]),
      ],
      [
        "fdiv",
        scaled(host, binary("div"), (form, result) => [result.get(), form.get(host, 2), form.get(host, 1)]),
      ],
      [
        "fsqrt",
        scaled(
          host,
          (form) => form.ops<Host>(host).sqrt(form.get(host, 1)),
          (form, result) => [result.get(), result.get(), form.get(host, 1)],
        ),
      ],
      ["fmadd", fused(host, false, false)],
      ["fmsub", fused(host, false, true)],
      ["fnmsub", fused(host, true, false)],
      ["fnmadd", fused(host, true, true)],
      ["fmin", selection(host, "min")],
      ["fmax", selection(host, "max")],
      ["flt", comparison(host, "lt", "ge")],
      ["fle", comparison(host, "le", "gt")],
      ["feq", comparison(host, "eq", "ne")],
      ["fcvt.w", toInteger(host, 32, true)],
      ["fcvt.wu", toInteger(host, 32, false)],
      ["fcvt.l", toInteger(host, 64, true)],
      ["fcvt.lu", toInteger(host, 64, false)],
    ];
    return forms.map(([name, form]) => [`${name}.${suffix}`, form]);
  }),
  ["fcvt.d.w", doubleFromWord(true)],
  ["fcvt.d.wu", doubleFromWord(false)],
  ["fcvt.d.l", fromInteger("f64", 64, true)],
  ["fcvt.d.lu", fromInteger("f64", 64, false)],
  ["fcvt.s.w", fromInteger("f32", 32, true)],
  ["fcvt.s.wu", fromInteger("f32", 32, false)],
  ["fcvt.s.l", fromInteger("f32", 64, true)],
  ["fcvt.s.lu", fromInteger("f32", 64, false)],
  ["fcvt.d.s", widened],
  ["fcvt.s.d", narrowed],
  ["fsgnj.d", signInjection("copy")],
  ["fsgnjn.d", signInjection("negate")],
  ["fsgnjx.d", signInjection("multiply")],
  ["fsgnj.s", signInjectionOfSingles("copy")],
  ["fsgnjn.s", signInjectionOfSingles("negate")],
  ["fsgnjx.s", signInjectionOfSingles("multiply")],
  ["fld", loadDouble],
  ["fsd", storeDouble],
  ["flw", loadSingle],
]);

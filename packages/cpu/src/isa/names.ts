/** ABI names of x0 to x31 (RISC-V psABI, chapter "Register Convention"). */
export const INTEGER_REGISTERS: readonly string[] = [
  ...["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"],
  ...["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
  ...["s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"],
];

/** ABI names of f0 to f31. */
export const FLOAT_REGISTERS: readonly string[] = [
  ...["ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1"],
  ...["fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"],
  ...["fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"],
];

/** Rounding modes by encoding (unprivileged specification 20240411, section 20.2); 5 and 6 are reserved. */
export const ROUNDING_MODES: readonly (string | undefined)[] = [
  ...["rne", "rtz", "rdn", "rup", "rmm", undefined, undefined, "dyn"],
];

/** Suffixes of an atomic instruction's mnemonic, by its aq and rl bits. */
export const ORDERING_SUFFIXES: readonly string[] = ["", ".rl", ".aq", ".aqrl"];

const registerNumbers = {
  x: new Map(INTEGER_REGISTERS.flatMap((name, n) => [[name, n] as const, [`x${n}`, n] as const])).set(
    "fp",
    8,
  ),
  f: new Map(FLOAT_REGISTERS.flatMap((name, n) => [[name, n] as const, [`f${n}`, n] as const])),
};

/** The number of a register, by ABI name (`a0`, `fp`) or plain name (`x10`). */
export function registerNumber(kind: "x" | "f", name: string): number | undefined {
  return registerNumbers[kind].get(name);
}

/** A set of FENCE's predecessor or successor bits in letters: `iorw`; `0` for the empty set. */
export function fenceSetName(bits: number): string {
  return [..."iorw"].filter((_, index) => (bits >> (3 - index)) & 1).join("") || "0";
}

/** The bits of a set in letters, which must come in the order of `iorw`. */
export function fenceSetBits(name: string): number | undefined {
  for (let bits = 0; bits < 16; bits++) if (fenceSetName(bits) === name) return bits;
  return undefined;
}

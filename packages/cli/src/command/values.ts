import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = {
  "": 2 ** 20,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
};

/** Bytes from `512M`, `1G`, `1.5GiB`; a bare number counts MiB, as everywhere in this field. */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([BKMG]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit?.toUpperCase() ?? ""] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InvalidArgumentError("Give a size such as 512M or 1G.");
  }
  return bytes;
}

/** Guest memory: a size that is whole pages. */
export function parseMemory(text: string): number {
  const bytes = parseSize(text);
  if (bytes % 4096 !== 0) throw new InvalidArgumentError("Memory comes in pages of 4K.");
  if (bytes < 2 ** 16) throw new InvalidArgumentError("A machine has at least 64K.");
  if (bytes > 16 * 2 ** 30 - 2 ** 26) throw new InvalidArgumentError("A machine has less than 16G.");
  return bytes;
}

/** A whole number within limits. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Seconds, fractions allowed. */
export function parseSeconds(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= 2_000_000)) throw new InvalidArgumentError("Give a number of seconds above 0.");
  return value;
}

/** A seed in hexadecimal: 1 to 64 bytes. */
export function parseSeed(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}){1,64}$/i.test(text)) {
    throw new InvalidArgumentError("Give 1 to 64 bytes in hexadecimal, two digits each.");
  }
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** The byte that a control key sends, from `^A` or `ctrl-a`; undefined for `none`. */
export function parseEscapeKey(text: string): number | undefined {
  if (text.toLowerCase() === "none") return undefined;
  const [, key] = /^(?:\^|ctrl-)([a-z[\]\\^_])$/i.exec(text) ?? [];
  if (key === undefined) throw new InvalidArgumentError("Give a control key such as ^A or ctrl-], or none.");
  return key.toUpperCase().charCodeAt(0) & 0x1f;
}

/** A disk as `--disk` names it. */
export interface DiskSpec {
  readonly path: string;
  readonly readOnly: boolean;
  /** Changes go to memory and end with the machine. */
  readonly overlay: boolean;
}

/** `FILE[,readonly][,overlay]`. Flags are taken from the end, so that a file's name may hold commas. */
export function parseDisk(text: string): DiskSpec {
  const words = text.split(",");
  let readOnly = false;
  let overlay = false;
  while (words.length > 1) {
    const flag = words.at(-1);
    if (flag === "readonly" || flag === "ro") readOnly = true;
    else if (flag === "overlay") overlay = true;
    else break;
    words.pop();
  }
  const path = words.join(",");
  if (path === "") throw new InvalidArgumentError("Give FILE[,readonly][,overlay].");
  if (readOnly && overlay) {
    throw new InvalidArgumentError("A disk is either readonly or an overlay (whose file is never changed).");
  }
  return { path, readOnly, overlay };
}

/** A file of symbols as `--symbols` names it. */
export interface SymbolsSpec {
  readonly path: string;
  /** Where a position-independent program was loaded. */
  readonly base: bigint;
}

/** `FILE[@ADDRESS]`. */
export function parseSymbols(text: string): SymbolsSpec {
  const [, path = text, digits = "0"] = /^(.+)@(0x[0-9a-f]{1,16})$/i.exec(text) ?? [];
  if (path === "") throw new InvalidArgumentError("Give FILE or FILE@ADDRESS.");
  return { path, base: BigInt(digits) };
}

/** An address: hexadecimal with 0x, or decimal. */
export function parseAddress(text: string): bigint {
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) || BigInt(text) >= 2n ** 64n) {
    throw new InvalidArgumentError("Give an address such as 0x80000000.");
  }
  return BigInt(text);
}

/** A file for counters: the option may stand without one, and must not take what follows for it. */
export function parseCountersFile(text: string): string {
  if (text.endsWith(".json")) return text;
  throw new InvalidArgumentError("Give FILE.json, or nothing: then a table goes to standard error.");
}

/** Collects a repeatable option. */
export function repeated<T>(parse: (text: string) => T): (text: string, earlier: readonly T[]) => T[] {
  return (text, earlier) => [...(earlier ?? []), parse(text)];
}

/** A Linux Image with nothing in it but the kernel's symbol table, laid out as scripts/kallsyms.c does. */

export interface KallsymsOptions {
  /** Addresses before the names, as up to Linux 6.3, or after them. */
  readonly layout?: "old" | "new";
  readonly base?: bigint;
}

/** @param symbols - Type and name, and the offset from the base, ascending. */
export function kallsymsImage(
  symbols: readonly (readonly [name: string, offset: number])[],
  { layout = "new", base = 0xffff_ffff_8000_0000n }: KallsymsOptions = {},
): Uint8Array {
  // Every character stands for itself; a few pairs are tokens of their own, as the kernel's compression makes them.
  const tokens = Array.from({ length: 256 }, (_, code) =>
    code > 32 && code < 127 ? String.fromCharCode(code) : "~~",
  );
  const pairs = ["__", "in", "er", "_s", "st", "re"];
  for (const [index, pair] of pairs.entries()) tokens[128 + index] = pair;
  const encode = (name: string): number[] => {
    const codes: number[] = [];
    for (let at = 0; at < name.length; ) {
      const pair = pairs.indexOf(name.slice(at, at + 2));
      codes.push(pair >= 0 ? 128 + pair : name.charCodeAt(at));
      at += pair >= 0 ? 2 : 1;
    }
    return codes;
  };
  const names: number[] = [];
  const markers: number[] = [];
  symbols.forEach(([name], index) => {
    if (index % 256 === 0) markers.push(names.length);
    const codes = encode(name);
    if (codes.length < 128) names.push(codes.length, ...codes);
    else names.push((codes.length & 0x7f) | 0x80, codes.length >> 7, ...codes);
  });
  const table: number[] = [];
  const index: number[] = [];
  for (const token of tokens) {
    index.push(table.length & 0xff, table.length >> 8);
    table.push(...Buffer.from(`${token}\0`));
  }
  const words = (values: readonly number[]): number[] => [...new Uint8Array(Uint32Array.from(values).buffer)];
  const addresses = [
    words(symbols.map(([, offset]) => offset)),
    [...new Uint8Array(BigUint64Array.of(base).buffer)],
  ];
  const tables = [words([symbols.length]), names, words(markers), table, index];
  const all = layout === "new" ? [...tables, ...addresses] : [...addresses, ...tables];
  const header = new Uint8Array(4096).fill(0x13, 64);
  header.set(Buffer.from("RSC\x05"), 56);
  const parts: Uint8Array[] = [header];
  for (const part of all) {
    const bytes = new Uint8Array(Math.ceil(part.length / 8) * 8);
    bytes.set(part);
    parts.push(bytes);
  }
  parts.push(new Uint8Array(4096).fill(0x13));
  return new Uint8Array(Buffer.concat(parts));
}

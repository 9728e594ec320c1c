import type { RawSymbol } from "./symbol-table.ts";
import { textRank } from "./symbol-types.ts";

/** More lines than this are not read. */
const MAX_LINES = 1 << 22;

/**
 * The code symbols of a `System.map` or of what `/proc/kallsyms` shows: lines of address, type and name, those of
 * modules with the module's name in brackets at the end, which then comes first in the symbol's: `ext4:ext4_readdir`.
 * undefined when the text is not of this kind.
 */
export function systemMapSymbols(bytes: Uint8Array): RawSymbol[] | undefined {
  const decoder = new TextDecoder("latin1");
  const head = decoder.decode(bytes.subarray(0, 256));
  if (!/^\s*[0-9a-f]{8,16} [a-zA-Z?] \S+/.test(head)) return undefined;
  const symbols: RawSymbol[] = [];
  let start = 0;
  for (let line = 0; line < MAX_LINES && start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = decoder.decode(bytes.subarray(start, Math.min(end, start + 2048)));
    const [, digits = "", type = "", name = "", module] =
      /^([0-9a-f]{1,16}) ([a-zA-Z?]) (\S+)(?:\s+\[(\S+)\])?/.exec(text) ?? [];
    const rank = textRank(type, name);
    if (rank !== undefined) {
      const shown = module === undefined ? name : `${module}:${name}`;
      symbols.push({ name: shown, address: BigInt(`0x${digits}`), size: 0, rank });
    }
    start = end + 1;
  }
  // Who may not see addresses is shown zeroes.
  return symbols.some(({ address }) => address !== 0n) ? symbols : [];
}

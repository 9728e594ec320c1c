/** Pieces of images for loader tests, assembled by hand from the formats' specifications. */

export interface ElfOptions {
  readonly machine?: number;
  readonly class?: number;
  readonly data?: number;
  readonly type?: number;
  readonly entry?: bigint;
  readonly vaddr?: bigint;
  readonly paddr?: bigint;
  readonly payload?: Uint8Array;
  readonly memorySize?: number;
  readonly symbols?: Readonly<Record<string, bigint>>;
}

/** An ELF64 file with one PT_LOAD segment, and a symbol table when there are symbols. */
export function elf(options: ElfOptions = {}): Uint8Array {
  const payload = options.payload ?? new Uint8Array(32).fill(0x13);
  const symbols = Object.entries(options.symbols ?? {});
  const payloadAt = 64 + 56;
  const symtabAt = Math.ceil((payloadAt + payload.length) / 8) * 8;
  const symtabSize = (symbols.length + 1) * 24;
  const names = new TextEncoder().encode(`\0${symbols.map(([name]) => `${name}\0`).join("")}`);
  const strtabAt = symtabAt + symtabSize;
  const sectionsAt = Math.ceil((strtabAt + names.length) / 8) * 8;
  const hasSymbols = symbols.length > 0;
  const bytes = new Uint8Array(hasSymbols ? sectionsAt + 3 * 64 : payloadAt + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, options.class ?? 2, options.data ?? 1, 1]);
  view.setUint16(16, options.type ?? 2, true);
  view.setUint16(18, options.machine ?? 243, options.data !== 2);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, options.entry ?? 0x80000000n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(64 + 8, BigInt(payloadAt), true);
  view.setBigUint64(64 + 16, options.vaddr ?? options.paddr ?? 0x80000000n, true);
  view.setBigUint64(64 + 24, options.paddr ?? 0x80000000n, true);
  view.setBigUint64(64 + 32, BigInt(payload.length), true);
  view.setBigUint64(64 + 40, BigInt(options.memorySize ?? payload.length), true);
  bytes.set(payload, payloadAt);
  if (!hasSymbols) return bytes;
  view.setBigUint64(40, BigInt(sectionsAt), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  let nameAt = 1;
  for (const [index, [name, value]] of symbols.entries()) {
    const at = symtabAt + (index + 1) * 24;
    view.setUint32(at, nameAt, true);
    view.setUint16(at + 6, 1, true);
    view.setBigUint64(at + 8, value, true);
    nameAt += name.length + 1;
  }
  bytes.set(names, strtabAt);
  const section = (index: number, type: number, offset: number, size: number, link: number) => {
    const at = sectionsAt + index * 64;
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    view.setUint32(at + 40, link, true);
  };
  section(1, 2, symtabAt, symtabSize, 2);
  section(2, 3, strtabAt, names.length, 0);
  return bytes;
}

/** Bytes with a signature at an offset. */
export function signature(offset: number, text: string | readonly number[]): Uint8Array {
  const bytes = new Uint8Array(offset + 4096);
  bytes.set(typeof text === "string" ? new TextEncoder().encode(text) : text, offset);
  return bytes;
}

/** A PE file for a COFF machine type, as far as its headers go. */
export function pe(machine: number): Uint8Array {
  const bytes = signature(0, "MZ");
  const view = new DataView(bytes.buffer);
  view.setUint32(60, 0x80, true);
  bytes.set(new TextEncoder().encode("PE\0\0"), 0x80);
  view.setUint16(0x84, machine, true);
  return bytes;
}

/** One entry of a `newc` cpio archive. */
export function cpioEntry(name: string, data: Uint8Array): Uint8Array {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  const fields = [1, 0o100644, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = new TextEncoder().encode(`070701${fields.map(hex).join("")}${name}\0`);
  const dataAt = Math.ceil(head.length / 4) * 4;
  const bytes = new Uint8Array(Math.ceil((dataAt + data.length) / 4) * 4);
  bytes.set(head);
  bytes.set(data, dataAt);
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

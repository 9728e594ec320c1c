/** An ELF executable with symbols around a program, as a linker makes test programs for the host-target interface. */
import { assemble } from "@isomorph/cpu/asm";

const ORIGIN = 0x80000000;
const HEADERS = 0x1000;

/** Assembles an M-mode program at the start of RAM into an ELF64 file whose symbol table has its labels. */
export function testElf(source: string): Uint8Array {
  const { bytes, symbols } = assemble(source, { origin: ORIGIN });
  const names = [...symbols].filter(([name]) => !name.startsWith("."));
  const strings = Buffer.from(`\0${names.map(([name]) => `${name}\0`).join("")}`);
  const symbolsAt = HEADERS + Math.ceil(bytes.length / 8) * 8;
  const stringsAt = symbolsAt + 24 * (names.length + 1);
  const sectionsAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const file = Buffer.alloc(sectionsAt + 3 * 64);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(243, 18); // EM_RISCV
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(ORIGIN), 24);
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeBigUInt64LE(BigInt(sectionsAt), 40);
  for (const [at, value] of [
    [52, 64],
    [54, 56],
    [56, 1],
    [58, 64],
    [60, 3],
    [62, 2],
  ] as const) {
    file.writeUInt16LE(value, at);
  }

  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(7, 68);
  const program = [HEADERS, ORIGIN, ORIGIN, bytes.length, bytes.length, 0x1000];
  for (const [index, value] of program.entries()) file.writeBigUInt64LE(BigInt(value), 72 + 8 * index);
  file.set(bytes, HEADERS);

  let name = 1;
  names.forEach(([text, value], index) => {
    const at = symbolsAt + 24 * (index + 1);
    file.writeUInt32LE(name, at);
    file.writeUInt8(0x10, at + 4);
    file.writeUInt16LE(1, at + 6);
    file.writeBigUInt64LE(value, at + 8);
    name += text.length + 1;
  });
  file.set(strings, stringsAt);

  const section = (index: number, type: number, offset: number, size: number, link: number): void => {
    const at = sectionsAt + 64 * index;
    file.writeUInt32LE(type, at + 4);
    file.writeBigUInt64LE(BigInt(offset), at + 24);
    file.writeBigUInt64LE(BigInt(size), at + 32);
    file.writeUInt32LE(link, at + 40);
    file.writeBigUInt64LE(24n, at + 56);
  };
  section(1, 2, symbolsAt, stringsAt - symbolsAt, 2); // SHT_SYMTAB
  section(2, 3, stringsAt, strings.length, 0); // SHT_STRTAB
  return file;
}

import {
  type ByteSource,
  type ElfSection,
  readElf,
  readSymbols,
  SymbolTable,
} from "@isomorph/hypervisor/symbols";
import { CommandError } from "../command/failure.ts";

/** Code in a file. */
export interface CodeArea {
  readonly name: string;
  /** Address of the first byte, unsigned 64-bit. */
  readonly address: bigint;
  /** Where it is in the file. */
  readonly offset: number;
  readonly size: number;
}

/** A program to disassemble. */
export interface Program {
  /** What kind of file it is. */
  readonly format: string;
  readonly areas: readonly CodeArea[];
  readonly symbols: SymbolTable;
}

const ELF_MAGIC = "127,69,76,70";
const LINUX_MAGIC = "RSC\x05";

/**
 * Finds the code in a file: the executable sections of an ELF file (its executable segments where there are no sections), the
 * text of a Linux Image, or all of a file whose `origin` is given.
 */
export function findCode(source: ByteSource, path: string, origin: bigint | undefined): Program {
  if (source.size === 0) throw new CommandError(`${path}: is empty (0 bytes)`);
  const head = source.read(0, Math.min(64, source.size));
  if (origin === undefined && head.subarray(0, 4).join() === ELF_MAGIC) return elfProgram(source, path);
  if (head.length === 64 && String.fromCharCode(...head.subarray(56, 60)) === LINUX_MAGIC) {
    return linuxProgram(source, origin);
  }
  if (origin === undefined) {
    const magic = [...head.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new CommandError(
      `${path}: is neither an ELF file nor a Linux Image (offset 0 reads ${magic}); --origin ADDRESS takes it as raw code`,
    );
  }
  const areas = [{ name: "raw", address: origin, offset: 0, size: source.size }];
  return { format: "raw code", areas, symbols: new SymbolTable([]) };
}

function elfProgram(source: ByteSource, path: string): Program {
  const elf = readElf(source);
  const sections = elf.sections.filter(({ isCode, size }) => isCode && size > 0);
  const areas = sections.length > 0 ? sections : elf.code;
  if (areas.length === 0) throw new CommandError(`${path}: has no executable section or segment`);
  for (const area of areas) checkInFile(area, source, path);
  return { format: "ELF", areas, symbols: readSymbols(source) };
}

function checkInFile({ name, offset, size }: ElfSection, source: ByteSource, path: string): void {
  if (offset + size <= source.size) return;
  const end = Number.isSafeInteger(offset + size) ? ` to 0x${(offset + size).toString(16)}` : ", far away";
  throw new CommandError(
    `${path}: is cut short or damaged: ${name} is at offsets 0x${offset.toString(16)}${end}, and the file has ${source.size} bytes`,
  );
}

/** Ranges of code in a Linux kernel, by the names of their first and last addresses. */
const LINUX_TEXT = [
  ["text", ["_start"], ["_etext"]],
  ["init text", ["_sinittext", "__init_begin"], ["__init_text_end", "__exittext_end", "_einittext"]],
] as const;

function linuxProgram(source: ByteSource, origin: bigint | undefined): Program {
  const linked = readSymbols(source);
  const linkedAt = linked.named("_start")?.address;
  const address = origin ?? linkedAt ?? 0n;
  const symbols = linkedAt === undefined || linkedAt === address ? linked : linked.moved(address - linkedAt);
  const whole: CodeArea = { name: "image", address, offset: 0, size: source.size };
  const named = (names: readonly string[]): bigint | undefined =>
    names.map((name) => symbols.named(name)?.address).find((found) => found !== undefined);
  const areas = LINUX_TEXT.flatMap(([name, starts, ends]): CodeArea[] => {
    const start = named(starts);
    const end = named(ends);
    if (start === undefined || end === undefined || start < address || end <= start) return [];
    const offset = Number(start - address);
    const size = Number(end - start);
    return offset + size <= source.size ? [{ name, address: start, offset, size }] : [];
  });
  return { format: "Linux Image", areas: areas.length > 0 ? areas : [whole], symbols };
}

/** What GNU objdump makes of code, as the judge of `isomorph disasm`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd } from "./command.ts";

/** Every extension that binutils 2.40 knows of those that appear in Debian's programs. */
const MARCH = "rv64imafdcv_zicsr_zifencei_zba_zbb_zbc_zbs_zbkb_zicbom_zicboz_zawrs_svinval";

/** A line of a listing. */
export interface ListedInstruction {
  readonly address: bigint;
  readonly bytes: string;
  /** With single spaces between words, none after commas, without symbols, comments and `0x` of targets. */
  readonly text: string;
  /** Targets and addresses that comments name. */
  readonly places: readonly string[];
}

/** The instructions of a listing, ours or objdump's. */
export function listedInstructions(listing: string): ListedInstruction[] {
  return listing.split("\n").flatMap((line) => {
    const match = /^\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    const [, address = "", bytes = "", text = ""] = match;
    const places = [...text.matchAll(/<([^>]+)>/g)].map(([, place]) => place as string);
    return [{ address: BigInt(`0x${address}`), bytes, text: plain(text), places }];
  });
}

function plain(text: string): string {
  const words = text
    .replace(/\s*#.*$/, "")
    .replace(/\s*<.*$/, "")
    .replace(/\s+/g, " ")
    .replace(/, /g, ",")
    .trim();
  const isBranch = /^((c\.)?(beq|bne)z?|blt|bge|bltu|bgeu|jal|c\.j) /.test(words);
  return isBranch ? words.replace(/0x([0-9a-f]+)$/, "$1") : words;
}

/** `objdump -d` of an ELF file. */
export async function objdump(path: string): Promise<ListedInstruction[]> {
  return listedInstructions(await tool("objdump", "-d", "-z", "-M", "no-aliases", path));
}

/** `objdump -d` of bytes at an address, with every extension that it knows. */
export async function objdumpRaw(code: Uint8Array, address: bigint): Promise<ListedInstruction[]> {
  const folder = mkdtempSync(join(tmpdir(), "isomorph-objdump-"));
  try {
    const [source, object, bytes] = ["a.s", "a.o", "code"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, ".text\n nop\n");
    writeFileSync(bytes, code);
    await tool("as", `-march=${MARCH}`, "-o", object, source);
    await tool("objcopy", "--update-section", `.text=${bytes}`, object);
    // With a symbol objdump looks for the nearest one at each instruction, from the start.
    await tool("objcopy", "--strip-all", object);
    const place = `--adjust-vma=0x${address.toString(16)}`;
    return listedInstructions(await tool("objdump", "-d", "-z", "-M", "no-aliases", place, object));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a tool of the cross compiler writes. */
export async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(`riscv64-linux-gnu-${name}`, args);
  if (code !== 0) throw new Error(`${name} failed: ${stderr.slice(0, 2000)}`);
  return stdout.toString();
}

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CompressedInstruction } from "../src/isa/compressed.ts";
import type { Instruction } from "../src/isa/instruction.ts";

const NEWER: readonly string[] = ["zicond", "zimop", "zcb", "zcmop", "zfa"];

/** Whether binutils 2.40 know an instruction; newer-encodings.test.ts has the encodings of the others. */
export function isInBinutils(instruction: Pick<Instruction, "extension" | "addition">): boolean;
export function isInBinutils(instruction: CompressedInstruction | undefined): boolean;
export function isInBinutils(
  instruction: { readonly extension: string; readonly addition?: string | undefined } | undefined,
): boolean {
  const { extension = "", addition = "" } = instruction ?? {};
  return !NEWER.includes(extension) && !NEWER.includes(addition);
}

const MARCH =
  "rv64imafdc_zicsr_zifencei_zba_zbb_zbs_zbc_zbkb_zbkc_zbkx_zknd_zkne_zknh_zksed_zksh_zawrs_zfh_zicbom_zicboz_svinval";

function inDirectory<T>(body: (path: (name: string) => string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "isomorph-binutils-"));
  try {
    return body((name) => join(directory, name));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function tool(name: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(`riscv64-linux-gnu-${name}`, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${name} failed: ${stderr?.slice(0, 2000)}`, { cause: error });
  return stdout;
}

/** What GNU as and ld make of a source at an address, neither compressing nor relaxing. */
export function gnuAssemble(source: string, origin = 0): Uint8Array {
  return inDirectory((path) => {
    writeFileSync(path("a.s"), `.option norvc\n.option norelax\n${source}\n`);
    tool("as", `-march=${MARCH}`, "-mno-relax", "-mno-arch-attr", "-o", path("a.o"), path("a.s"));
    tool("ld", "--no-relax", "-e", "0", `-Ttext=0x${origin.toString(16)}`, "-o", path("a.elf"), path("a.o"));
    tool("objcopy", "-O", "binary", "-j", ".text", path("a.elf"), path("a.bin"));
    return new Uint8Array(readFileSync(path("a.bin")));
  });
}

/** One instruction as objdump shows it. */
export interface GnuInstruction {
  readonly address: number;
  readonly length: number;
  /** With single spaces between words and none elsewhere. */
  readonly text: string;
}

/** What `objdump -M no-aliases` makes of code at address 0. */
export function gnuDisassemble(code: Uint8Array): GnuInstruction[] {
  return inDirectory((path) => {
    writeFileSync(path("a.s"), ".text\n nop\n");
    tool("as", `-march=${MARCH}`, "-o", path("a.o"), path("a.s"));
    writeFileSync(path("code"), code);
    tool("objcopy", "--update-section", `.text=${path("code")}`, path("a.o"));
    const listing = tool("objdump", "-d", "-z", "-M", "no-aliases", path("a.o"));
    return listing.split("\n").flatMap((line) => {
      const match = /^\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(.*)$/.exec(line);
      if (match === null) return [];
      const [, address = "", digits = "", text = ""] = match;
      return [{ address: Number.parseInt(address, 16), length: digits.length / 2, text: plain(text) }];
    });
  });
}

/** Text without comments, symbolic targets and optional spaces. */
function plain(text: string): string {
  return text
    .replace(/\s*#.*$/, "")
    .replace(/\s*<.*>$/, "")
    .replace(/\s+/g, " ")
    .replace(/, /g, ",")
    .trim();
}

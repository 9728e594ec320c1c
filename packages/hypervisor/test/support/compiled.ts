/** Programs from C, by the cross compiler that the tests' judges come with. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "riscv64-linux-gnu-";

function tool(name: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(`${PREFIX}${name}`, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${name} failed: ${stderr?.slice(0, 2000)}`, { cause: error });
  return stdout;
}

export interface Compiled {
  readonly bytes: Uint8Array;
  /** What `nm -n` says of it. */
  readonly symbols: string;
}

/** Compiles and links freestanding C for an address, its entry being `_start`. */
export function compile(source: string, options: readonly string[], address: number): Compiled {
  const folder = mkdtempSync(join(tmpdir(), "isomorph-compiled-"));
  try {
    const [c, elf] = [join(folder, "a.c"), join(folder, "a.elf")];
    writeFileSync(c, source);
    const place = `-Wl,-Ttext=0x${address.toString(16)},--build-id=none,-e,_start`;
    const fixed = ["-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-mcmodel=medany", place];
    tool("gcc", [...fixed, ...options, "-o", elf, c]);
    return { bytes: new Uint8Array(readFileSync(elf)), symbols: tool("nm", ["-n", elf]) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

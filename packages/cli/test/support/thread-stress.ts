import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SOURCE = fileURLToPath(new URL("../fixtures/thread-stress.c", import.meta.url));

/** Compiles the program that stresses several processors, for the guest, into a folder. */
export async function compileThreadStress(folder: string): Promise<Uint8Array> {
  const program = join(folder, "thread-stress");
  const options = ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-o", program, SOURCE];
  await promisify(execFile)("riscv64-linux-gnu-gcc", options);
  return readFile(program);
}

/** What the guest does with the program on its standard input. */
export const stressCommand = (seconds: number): string =>
  `nproc; cat >/run/stress; chmod +x /run/stress; /run/stress ${seconds} || exit; ` +
  "! dmesg | grep -iE 'bug|warning|oops|stall|lockup|rcu.*detected'";

import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assemble } from "@isomorph/cpu/asm";
import type { Benchmark } from "./benchmark.ts";
import { isomorph } from "./programs.ts";

const source = fileURLToPath(new URL("../guests/coremark-like.s", import.meta.url));
/** Where both machines start a raw image without firmware. */
const ORIGIN = 0x80000000;

let image = "";

/** Plain computing in the guest: a program that needs nothing but RAM, the UART and the test finisher. */
export const coremarkLike: Benchmark = {
  name: "coremark-like",
  peer: "QEMU TCG",
  description: "list, matrix, state machine and CRC in a bare-metal guest",
  metric: "user",
  rounds: 5,
  limit: 120,
  async prepare() {
    const { bytes } = assemble(await readFile(source, "utf8"), { origin: ORIGIN });
    const folder = await mkdtemp(join(tmpdir(), "isomorph-bench-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    image = join(folder, "coremark-like.bin");
    await writeFile(image, bytes);
  },
  ours: () => isomorph(["run", "--firmware", image, "--memory", "64M", "--no-tty"]),
  theirs: () => ({
    argv: ["qemu-system-riscv64", "-M", "virt", "-m", "64M", "-nographic", "-bios", image],
  }),
};

import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RAM_SIZE } from "./layout.ts";
import type { Machine } from "./outcome.ts";

const TIMEOUT = 120_000;

const ASKED_FOR = ["zbkb", "zbkc", "zbkx", "zknd", "zkne", "zknh", "zksed", "zksh", "Zfh"];

const ARGUMENTS: readonly string[] = [
  ...["-M", "virt,memory-backend=ram", "-m", `${RAM_SIZE}B`, "-bios", "none"],
  // Without the one that this processor lacks, with those that QEMU has to be asked for.
  ...["-cpu", `rv64,h=false,${ASKED_FOR.map((name) => `${name}=true`).join()}`],
  // Two harts make QEMU execute atomics as atomics: with one it loads and stores, and faults as a load.
  ...["-smp", "2", "-accel", "tcg,thread=multi"],
  ...["-display", "none", "-serial", "none", "-monitor", "none"],
];

/** QEMU's `virt` board with RAM in a file. */
export const qemu: Machine = {
  name: "QEMU",
  run: async (image) => {
    const directory = mkdtempSync(join(tmpdir(), "isomorph-differential-"));
    const path = join(directory, "ram");
    try {
      const file = openSync(path, "w+");
      try {
        writeSync(file, image);
        ftruncateSync(file, RAM_SIZE);
        await launch(path);
        const ram = new Uint8Array(image.length);
        readSync(file, ram, 0, ram.length, 0);
        return { ram };
      } finally {
        closeSync(file);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

function launch(path: string): Promise<void> {
  const memory = `memory-backend-file,id=ram,size=${RAM_SIZE}B,mem-path=${path},share=on`;
  return new Promise((resolve, reject) => {
    const child = spawn("qemu-system-riscv64", [...ARGUMENTS, "-object", memory], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: TIMEOUT,
      killSignal: "SIGKILL",
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      if (errors.length < 4000) errors += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`qemu-system-riscv64 ended with ${status ?? signal}: ${errors}`));
    });
  });
}

/** Runs a guest image on QEMU's virt machine, in memory that is a file. */
import { spawn } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GUEST_SIZE, guestImage, guestOutput, type Plan } from "./guest.ts";

/** Runs the program until it ends the machine, and gives what it wrote. */
export async function runOnQemu(plan: Plan): Promise<BigUint64Array> {
  const folder = await mkdtemp(join(tmpdir(), "isomorph-float-"));
  try {
    const path = join(folder, "memory");
    const file = await open(path, "w+");
    try {
      await file.truncate(GUEST_SIZE);
      await file.write(guestImage(plan), 0, undefined, 0);
      await runMachine(path);
      const memory = new Uint8Array(GUEST_SIZE);
      await file.read(memory, 0, GUEST_SIZE, 0);
      return guestOutput(memory, plan);
    } finally {
      await file.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runMachine(path: string): Promise<void> {
  const args = ["-M", "virt", "-cpu", "rv64,h=false,Zfh=true", "-m", `${GUEST_SIZE >> 20}M`, "-bios", "none"];
  args.push("-object", `memory-backend-file,id=ram,size=${GUEST_SIZE},mem-path=${path},share=on`);
  args.push("-machine", "memory-backend=ram", "-display", "none", "-serial", "none", "-monitor", "none");
  return new Promise((resolve, reject) => {
    const machine = spawn("qemu-system-riscv64", args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    machine.stderr.on("data", (chunk: Buffer) => {
      if (errors.length < 4096) errors += chunk.toString();
    });
    const timer = setTimeout(() => machine.kill("SIGKILL"), 600_000);
    machine.on("error", (cause) => reject(new Error("QEMU could not be started", { cause })));
    machine.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`QEMU ended with ${signal ?? `code ${code}`}: ${errors}`));
    });
  });
}

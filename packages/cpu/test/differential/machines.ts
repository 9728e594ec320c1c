import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { riscv64 } from "../../src/index.ts";
import {
  CODE,
  CONTEXT,
  Context,
  FINISHER,
  MACHINE_TIMER_COMPARE,
  RAM_BASE,
  RAM_SIZE,
  RECORD_BYTES,
  RECORDS,
} from "./layout.ts";

/** RAM after a run, and instructions retired where they are known. */
export interface Outcome {
  readonly ram: Uint8Array;
  readonly instructions?: number;
  readonly counters?: Readonly<Record<string, number>>;
}

const EXTENSIONS_OFF = "h=false,zbc=false";

/** Runs an image on QEMU until it writes to the finisher. */
export async function runQemu(image: Uint8Array, timeout = 60_000): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "isomorph-differential-"));
  try {
    const path = join(directory, "ram");
    const file = openSync(path, "w");
    writeSync(file, image);
    ftruncateSync(file, RAM_SIZE);
    closeSync(file);
    await spawned("qemu-system-riscv64", timeout, [
      ...[
        "-M",
        "virt,memory-backend=ram",
        "-cpu",
        `rv64,${EXTENSIONS_OFF}`,
        "-m",
        `${RAM_SIZE}B`,
        "-bios",
        "none",
      ],
      // Two harts make QEMU execute atomics as atomics: with one it loads and stores, and faults as a load.
      ...["-smp", "2", "-accel", "tcg,thread=multi"],
      ...["-object", `memory-backend-file,id=ram,size=${RAM_SIZE}B,mem-path=${path},share=on`],
      ...["-display", "none", "-serial", "none", "-monitor", "none"],
    ]);
    return { ram: new Uint8Array(readFileSync(path)) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function spawned(command: string, timeout: number, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "ignore", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      if (errors.length < 4000) errors += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`${command} ended with ${status ?? signal}: ${errors}`));
    });
  });
}

/** A second pass over the same code, so that what the first one found hot runs translated. */
export interface OursOptions {
  readonly translationThreshold: number;
  readonly passes: number;
}

/** Runs an image on our processor until it writes to the finisher. */
export function runOurs(image: Uint8Array, { translationThreshold, passes }: OursOptions): Outcome {
  let finished = false;
  const processor = riscv64({ translationThreshold })({
    memoryBase: RAM_BASE,
    memorySize: RAM_SIZE,
    harts: 1,
    firmware: "guest",
    // Before every time that sequences compare with, but for zero.
    clock: { frequency: 10_000_000, now: () => 1 << 20 },
    log: () => {},
    bus: {
      covers: (gpa, size) =>
        (gpa === FINISHER && size === 4) || (gpa === MACHINE_TIMER_COMPARE && size === 8),
      read: () => 0,
      write: () => {
        finished = true;
        hart?.requestExit();
      },
      read64: () => 0n,
      write64: () => {},
    },
  });
  const hart = processor.harts[0];
  if (hart === undefined) throw new Error("the processor has no hart");
  const { bytes } = processor.memory;
  let before = 0;
  for (let pass = 0; pass < passes; pass++) {
    finished = false;
    restore(bytes, image, pass, (start, end) => processor.memory.markDirty(RAM_BASE + start, end - start));
    hart.reset({ pc: RAM_BASE, a0: 0, a1: 0 });
    before = hart.instructionsRetired;
    while (!finished) {
      const exit = hart.run(BUDGET);
      if (exit === "wait" || exit === "trap-loop")
        throw new Error(`the harness ended with ${exit} at ${hart.pc.toString(16)}`);
      if (hart.instructionsRetired - before > LIMIT) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        const record =
          (Number(view.getBigUint64(CONTEXT - RAM_BASE + Context.RECORD, true)) - RECORDS) / RECORD_BYTES;
        throw new Error(`sequence ${record} does not end; pc ${hart.pc.toString(16)}, mode ${hart.mode}`);
      }
    }
  }
  const outcome = {
    ram: bytes.slice(),
    instructions: hart.instructionsRetired - before,
    counters: processor.counters(),
  };
  processor.close();
  return outcome;
}

const BUDGET = 1 << 20;
const LIMIT = 1 << 25;
const PAGE = 4096;

/**
 * Makes RAM the image again, but for the code: what a sequence wrote into its own code it writes again before it gets
 * there, and code that is restored would no longer be translated.
 */
function restore(
  bytes: Uint8Array,
  image: Uint8Array,
  pass: number,
  changed: (start: number, end: number) => void,
): void {
  for (let start = 0; start < bytes.length; start += PAGE) {
    if (pass > 0 && start >= CODE - RAM_BASE && start < RECORDS - RAM_BASE) continue;
    const wanted = new Uint8Array(PAGE);
    wanted.set(image.subarray(start, start + PAGE));
    const now = bytes.subarray(start, start + PAGE);
    if (Buffer.compare(now, wanted) === 0) continue;
    now.set(wanted);
    changed(start, start + PAGE);
  }
}

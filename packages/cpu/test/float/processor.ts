/** Runs a guest image on our own processor. */
import type { MmioBus } from "@isomorph/interface";
import { type ProcessorEnvironment, type Riscv64Options, riscv64 } from "../../src/index.ts";
import { FINISHER, GUEST_BASE, GUEST_SIZE, guestImage, guestOutput, PASS, type Plan } from "./guest.ts";

/** More instructions than a case takes, and than everything around the cases. */
const CASE_LIMIT = 200;
const START_LIMIT = 1e6;

/** Runs the program until it ends the machine, and gives what it wrote. */
export function runOnProcessor(plan: Plan, options: Riscv64Options): BigUint64Array {
  let finished: number | undefined;
  const bus: MmioBus = {
    covers: (gpa) => gpa === FINISHER,
    read: () => 0,
    write(_gpa, _size, value) {
      finished = value;
      hart.requestExit();
    },
    read64: () => 0n,
    write64: () => undefined,
  };
  const environment: ProcessorEnvironment = {
    memoryBase: GUEST_BASE,
    memorySize: GUEST_SIZE,
    harts: 1,
    bus,
    clock: { frequency: 1e7, now: () => 0 },
    firmware: "guest",
    log: () => undefined,
  };
  const processor = riscv64(options)(environment);
  const hart = processor.harts[0]!;
  try {
    processor.memory.bytes.set(guestImage(plan));
    hart.reset({ pc: GUEST_BASE, a0: 0, a1: 0 });
    const limit = START_LIMIT + plan.tests.length * plan.blocks * plan.blockLength * CASE_LIMIT;
    while (finished === undefined && hart.instructionsRetired < limit) hart.run(1 << 24);
    if (finished !== PASS) {
      throw new Error(`the program ended with ${finished}, pc ${hart.pc.toString(16)}`);
    }
    return guestOutput(processor.memory.bytes, plan);
  } finally {
    processor.close();
  }
}

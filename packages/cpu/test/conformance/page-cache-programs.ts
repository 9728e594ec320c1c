import { expect } from "vitest";
import { assemble } from "../../src/asm.ts";
import { lockstep, type Outcome, type Program } from "./lockstep.ts";
import { DATA, ORIGIN, SUPERVISOR_PAGE } from "./machine.ts";

/** Programs whose loops are whole regions, and know the pages that their accesses went to last. */

export const WINDOW: number = 0x4000_0000;

export function run(program: Program, part = 0.5): Outcome {
  const outcome = lockstep(program);
  expect(outcome.whole.length).toBeGreaterThan(0);
  const { instructionsInRegions = 0, instructions = 1 } = outcome.counters;
  expect(instructionsInRegions / instructions).toBeGreaterThan(part);
  return outcome;
}

/** Pages that follow one another in the window, and not in memory. */
export const scattered: NonNullable<Program["map"]> = (map) => {
  for (let page = 0; page < 14; page++) {
    map(WINDOW + page * 4096, DATA + ((page * 5) % 14) * 4096, SUPERVISOR_PAGE);
  }
};

/** Calls `f` again and again; hot calls make the region of the loop a whole one. Numbers are at DATA. */
export const calling = (times: number, callee: string, before = ""): string => `
    li a0, 0
    li s8, ${times}
  outer:
    ${before}
    jal ra, f
    addi s8, s8, -1
    bnez s8, outer
    j done
  f:
    ${callee}
    ret
  tick: jr t0`;

/** At the end of each loop's body: a call that soon is hot. The copy of what is called makes the region a whole one. */
export const TICK: string = "jal t0, tick";

export const fill: NonNullable<Program["prepare"]> = ({
  memory,
}: Parameters<NonNullable<Program["prepare"]>>[0]): void => {
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  for (let at = 0; at < 0xe000; at += 8) {
    view.setBigUint64(DATA - ORIGIN + at, BigInt(at) * 0x1_0003_0007n, true);
  }
};

export const word = (source: string): number =>
  new DataView(assemble(source, { origin: 0 }).bytes.buffer).getUint32(0, true);

import { describe, expect, it } from "vitest";
import { nodeThreads } from "../src/node/index.ts";
import { LITMUS, type Litmus, runLitmus } from "./support/litmus.ts";

const threads = nodeThreads();
const signal = () => AbortSignal.timeout(100_000);

describe("the memory model (RVWMO) with harts in threads", () => {
  it.for(LITMUS.filter(({ verdict }) => verdict === "forbidden"))("never shows $name", async (litmus) => {
    const found = await runLitmus(litmus, { threads, runs: 20_000, signal: signal() });
    expect(found.filter(({ outcome }) => litmus.matches(outcome))).toEqual([]);
  });

  it.for(["SB+fence.rw.rws", "SB+lr-sc.aqrls", "MP+amoswap.rl+amoor.aq"])(
    "never shows %s where the interpreter executes it",
    async (name) => {
      const litmus = LITMUS.find((candidate) => candidate.name === name) as Litmus;
      const options = { threads, runs: 20_000, translationThreshold: 0, signal: signal() };
      const found = await runLitmus(litmus, options);
      expect(found.filter(({ outcome }) => litmus.matches(outcome))).toEqual([]);
    },
  );

  it("shows that stores are buffered where nothing forbids it: the threads do run at once", async () => {
    const litmus = LITMUS.find(({ name }) => name === "SB") as Litmus;
    // Where the host is busy with other things it takes a while until both threads have a processor.
    for (let round = 0; round < 20; round++) {
      const found = await runLitmus(litmus, { threads, runs: 200_000, signal: signal() });
      if (found.some(({ outcome }) => litmus.matches(outcome))) return;
    }
    expect.fail("two threads have never run at once");
  });
});

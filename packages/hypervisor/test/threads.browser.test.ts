import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { webThreads } from "../src/web/index.ts";
import { LITMUS, runLitmus } from "./support/litmus.ts";
import { threadGuests } from "./support/thread-guests.ts";

describe("harts in workers of the browser", () => {
  it.for(threadGuests)("$name", async ({ harts, memory, kernel }) => {
    await using vm = await createVm({
      cpu: riscv64({ translationThreshold: 200 }),
      memory,
      harts,
      kernel,
      threads: webThreads(),
    });
    expect(await vm.run({ signal: AbortSignal.timeout(60_000) })).toEqual({ reason: "power-off", code: 0 });
  });

  it.for(LITMUS.filter(({ verdict }) => verdict === "forbidden"))("never shows $name", async (litmus) => {
    const found = await runLitmus(litmus, { threads: webThreads(), runs: 10_000 });
    expect(found.filter(({ outcome }) => litmus.matches(outcome))).toEqual([]);
  });
});

import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { threadGuests } from "./support/thread-guests.ts";

const signal = () => AbortSignal.timeout(60_000);

describe.for([
  ["interpreted", 0],
  ["translated", 200],
] as const)("harts in threads, %s", ([, translationThreshold]) => {
  it.for(threadGuests)("$name", async ({ harts, memory, kernel }) => {
    await using vm = await createVm({
      cpu: riscv64({ translationThreshold }),
      memory,
      harts,
      kernel,
      threads: nodeThreads(),
    });
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
  });
});

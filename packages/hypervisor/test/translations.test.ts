import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm, type VmConfig } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";

const FUNCTIONS = 50;
/** Calls of each function: too few for the threshold. */
const CALLS = 2900;
const COUNT = 0x80800000;

/** Calls functions on several pages by turns, then does what `end` says; hart 1 does so at the same time if there is one. */
const calling = (end: string, others = ""): Uint8Array =>
  kernelOf(`
    ${others}
    begin:
    lla s3, table
    li s0, ${CALLS}
  round:
    mv s1, s3
    li s2, ${FUNCTIONS}
  next:
    lwu t0, 0(s1)
    add t0, t0, s3
    jalr t0
    addi s1, s1, 4
    addi s2, s2, -1
    bnez s2, next
    addi s0, s0, -1
    bnez s0, round
    ${end}
    .balign 4
  table: ${Array.from({ length: FUNCTIONS }, (_, index) => `.word f${index} - table`).join("; ")}
  ${Array.from(
    { length: FUNCTIONS },
    (_, index) => `
    .balign 64
    f${index}: xori s4, s4, ${index + 1}
    slli s5, s4, 3
    add s4, s4, s5
    ${"srli s5, s4, 7\n".repeat(100)}
    ret`,
  ).join("\n")}`);

interface Result {
  readonly counters: Readonly<Record<string, number>>;
  readonly translations: Uint8Array | undefined;
}

async function runToEnd(config: Partial<VmConfig>, options: Parameters<typeof riscv64>[0]): Promise<Result> {
  await using vm = await createVm({ memory: 16 << 20, cpu: riscv64(options), ...config });
  const outcome = await vm.run({ signal: AbortSignal.timeout(60_000) });
  expect(outcome).toEqual({ reason: "power-off", code: 0 });
  const translations = options?.translations === undefined ? undefined : vm.translations();
  if (translations === undefined) expect(() => vm.translations()).toThrow(TypeError);
  return { counters: { ...vm.counters() }, translations };
}

const learn = (config: Partial<VmConfig>): Promise<Result> =>
  runToEnd(config, { translationThreshold: 100, translations: new Uint8Array() });

describe("translations of an earlier run of the machine", () => {
  it("make the next one interpret less, and nothing else of it different", async () => {
    const config = { kernel: calling(sbi.shutdown), clock: "instructions" } as const;
    const { translations } = await learn(config);
    const without = await runToEnd(config, {});
    const withThem = await runToEnd(config, { translations });
    expect(withThem.counters["cpu.instructions"]).toBe(without.counters["cpu.instructions"]);
    expect(withThem.counters["cpu.instructionsInterpreted"]).toBeLessThan(
      0.4 * (without.counters["cpu.instructionsInterpreted"] as number),
    );
    expect(withThem.translations?.length).toBeGreaterThanOrEqual(translations?.length as number);
  });

  it("hold for what the machine starts again with after a reset", async () => {
    const end = `
      li t0, ${COUNT}; ld t1, 0(t0); addi t1, t1, 1; sd t1, 0(t0)
      li t2, 4; beq t1, t2, done
      ${sbi.reboot}
    done: ${sbi.shutdown}`;
    const config = { kernel: calling(end), clock: "instructions" } as const;
    const { translations } = await learn(config);
    const without = await runToEnd(config, {});
    const withThem = await runToEnd(config, { translations });
    expect([without, withThem].map(({ counters }) => counters["vm.resets"])).toEqual([3, 3]);
    expect(withThem.counters["cpu.instructionsInterpreted"]).toBeLessThan(
      0.6 * (without.counters["cpu.instructionsInterpreted"] as number),
    );
  });

  it("are learned and used by harts in threads, each for itself", async () => {
    const others = `
      li a0, 1; lla a1, begin; li a2, 0; ${sbi.hartStart}`;
    const end = `
      li t0, ${COUNT}; li t1, 1; amoadd.d t2, t1, (t0)
      beqz t2, rest
      ${sbi.shutdown}
    rest: wfi; j rest`;
    const config = { kernel: calling(end, others), harts: 2, threads: nodeThreads() };
    const { translations } = await learn(config);
    const without = await runToEnd(config, {});
    const withThem = await runToEnd(config, { translations });
    expect(withThem.counters["cpu.instructionsInterpreted"]).toBeLessThan(
      0.5 * (without.counters["cpu.instructionsInterpreted"] as number),
    );
    expect(withThem.counters["cpu.regionsTranslated"]).toBeGreaterThan(
      without.counters["cpu.regionsTranslated"] as number,
    );
  });
});

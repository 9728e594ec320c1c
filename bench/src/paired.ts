import type { Benchmark, Cost } from "./benchmark.ts";
import { measure } from "./measure.ts";

/** The outcome of a paired benchmark. */
export interface Outcome {
  readonly ours: Cost;
  readonly theirs: Cost;
  /** The peer's cost over ours in the benchmark's metric: above 1 means that ours is ahead. */
  readonly ratio: number;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new RangeError("no median of no values");
  return sorted.length % 2 === 1 ? upper : (upper + sorted[middle - 1]!) / 2;
}

function medians(costs: readonly Cost[]): Cost {
  return {
    wall: median(costs.map((cost) => cost.wall)),
    user: median(costs.map((cost) => cost.user)),
    system: median(costs.map((cost) => cost.system)),
  };
}

function inMetric(cost: Cost, metric: Benchmark["metric"]): number {
  return metric === "wall" ? cost.wall : metric === "user" ? cost.user : cost.user + cost.system;
}

/** One line about a run. */
export function describeCost(cost: Cost): string {
  return `user ${cost.user.toFixed(3)} s, system ${cost.system.toFixed(3)} s, wall ${cost.wall.toFixed(3)} s`;
}

/**
 * Runs ours and the peer's in alternation, each first in every other round, after one run of each that does not
 * count.
 *
 * @param tell - Receives a line for each run.
 */
export async function runPaired(benchmark: Benchmark, tell: (line: string) => void): Promise<Outcome> {
  const { limit, metric, peer, rounds } = benchmark;
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new RangeError(`rounds must be at least 1, not ${rounds}`);
  await benchmark.prepare();
  const ours: Cost[] = [];
  const theirs: Cost[] = [];
  const runOurs = async (label: string): Promise<void> => {
    const cost = await measure(benchmark.ours(), limit);
    tell(`${label} isomorph: ${describeCost(cost)}`);
    ours.push(cost);
  };
  const runTheirs = async (label: string): Promise<void> => {
    const cost = await measure(benchmark.theirs(), limit);
    tell(`${label} ${peer}: ${describeCost(cost)}`);
    theirs.push(cost);
  };
  for (let round = 0; round <= rounds; round++) {
    const label = round === 0 ? "warm-up" : `${round}/${rounds}`;
    const pair = round % 2 === 0 ? [runTheirs, runOurs] : [runOurs, runTheirs];
    for (const run of pair) await run(label);
  }
  const outcome = { ours: medians(ours.slice(1)), theirs: medians(theirs.slice(1)) };
  const denominator = inMetric(outcome.ours, metric);
  if (denominator === 0) throw new Error(`${benchmark.name}: too short to be measured`);
  return { ...outcome, ratio: inMetric(outcome.theirs, metric) / denominator };
}

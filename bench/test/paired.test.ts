import { expect, test } from "vitest";
import type { Benchmark } from "../src/benchmark.ts";
import { measure } from "../src/measure.ts";
import { median, runPaired } from "../src/paired.ts";

/** Bash that keeps a processor busy for about so many iterations. */
const busy = (iterations: number): string => `for ((i = 0; i < ${iterations}; i++)); do :; done`;

test("the median of an even number of values is the mean of the middle two", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([9, 1, 5])).toBe(5);
  expect(() => median([])).toThrow(RangeError);
});

test("user time counts a grandchild that its parent waited for", async () => {
  const cost = await measure({ argv: ["bash", "-c", `bash -c '${busy(300_000)}'; sleep 0.1`] }, 20);
  expect(cost.user).toBeGreaterThan(0.05);
  expect(cost.wall).toBeGreaterThan(cost.user * 0.5 + 0.1);
  expect(cost.user + cost.system).toBeLessThan(cost.wall);
});

test("sleeping costs wall time, not user time", async () => {
  const cost = await measure({ argv: ["sleep", "0.3"] }, 20);
  expect(cost.wall).toBeGreaterThanOrEqual(0.3);
  expect(cost.user).toBeLessThan(0.1);
});

test("a run ends when its output says so, and its cost until then is told", async () => {
  const script = `${busy(300_000)}; echo 'login: '; sleep 60`;
  const cost = await measure({ argv: ["bash", "-c", script], until: "login:" }, 20);
  expect(cost.user).toBeGreaterThan(0.05);
  expect(cost.wall).toBeLessThan(20);
});

test("a failing, a silent and an endless command are errors that quote the output", async () => {
  await expect(measure({ argv: ["bash", "-c", "echo oops >&2; exit 3"] }, 20)).rejects.toThrow(
    /exit code 3[\s\S]*oops/,
  );
  await expect(measure({ argv: ["echo", "hello"], until: "login:" }, 20)).rejects.toThrow(
    /never said "login:"/,
  );
  await expect(measure({ argv: ["sleep", "60"] }, 0.2)).rejects.toThrow(/longer than 0.2 s/);
  await expect(measure({ argv: ["/nonexistent/program"] }, 20)).rejects.toThrow(/exit code 127/);
});

test("standard input and the environment reach the command", async () => {
  const script = 'read line; [ "$line $WORD" = "one two" ]';
  const command = { argv: ["bash", "-c", script], env: { WORD: "two" }, input: "one\n" };
  await expect(measure(command, 20)).resolves.toHaveProperty("wall");
});

test("a pair alternates, drops its warm-up, and says by how much ours is ahead", async () => {
  const order: string[] = [];
  const benchmark: Benchmark = {
    name: "loop",
    peer: "five loops",
    description: "counts",
    metric: "user",
    rounds: 3,
    limit: 20,
    prepare: async () => void order.push("prepare"),
    ours: () => {
      order.push("ours");
      return { argv: ["bash", "-c", busy(50_000)] };
    },
    theirs: () => {
      order.push("theirs");
      return { argv: ["bash", "-c", busy(250_000)] };
    },
  };
  const lines: string[] = [];
  const outcome = await runPaired(benchmark, (line) => lines.push(line));
  expect(order.join(" ")).toBe("prepare theirs ours ours theirs theirs ours ours theirs");
  expect(lines).toHaveLength(8);
  expect(outcome.ratio).toBeGreaterThan(2);
  expect(outcome.ratio).toBeLessThan(12);
});

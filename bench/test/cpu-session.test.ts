/** How the harness watches an emulator: marks, clocks, failures. Bash stands in for one: the clocks are real. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { MarkReader } from "../src/cpu/marks.ts";
import { processTimes } from "../src/cpu/process-times.ts";
import { runUntil, Session } from "../src/cpu/session.ts";

/** Bash that keeps a processor busy for about so many iterations. */
const busy = (iterations: number): string => `for ((i = 0; i < ${iterations}; i++)); do :; done`;
// Standard input is a socket, for which bash reads start-up files unless told not to.
const bash = (script: string): { argv: string[] } => ({ argv: ["bash", "--norc", "-c", script] });
const session = (script: string, rows: readonly string[], patience = 60): Session =>
  new Session({ command: bash(script), patience }, rows);

test("marks are found in pieces of lines, behind other output, with a terminal's line ends", () => {
  const reader = new MarkReader();
  expect(reader.push("[ 1.0] booting\r\n@@ be")).toEqual([]);
  expect(reader.push("gin pipe\r\n> @@ end pipe\n@@ result pi")).toEqual([
    { kind: "begin", row: "pipe", detail: "" },
    { kind: "end", row: "pipe", detail: "" },
  ]);
  expect(reader.push("pe a b c\r\n@@ nothing pipe\n@@ done pipe 0\n")).toEqual([
    { kind: "result", row: "pipe", detail: "a b c" },
    { kind: "done", row: "pipe", detail: "0" },
  ]);
  expect(reader.push("x".repeat(1_000_000))).toEqual([]);
  expect(reader.push("\n@@ done pipe 1\n")).toEqual([{ kind: "done", row: "pipe", detail: "1" }]);
});

test("the times of a process are those of its children too, while they run and when they have ended", () => {
  expect(processTimes(2 ** 30)).toBeUndefined();
  const before = processTimes(process.pid)!;
  const end = Date.now() + 200;
  while (Date.now() < end) void 0;
  const after = processTimes(process.pid)!;
  expect(after.user + after.system).toBeGreaterThan(before.user + before.system);
});

test("children count that another thread has started", async () => {
  const script = JSON.stringify(`${busy(400_000)}; echo done; read -r _`);
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
    const child = require("node:child_process").spawn("bash", ["--norc", "-c", ${script}]);
    child.stdout.once("data", () => parentPort.postMessage("done"));
    parentPort.once("message", () => child.stdin.end());`,
    { eval: true },
  );
  const before = processTimes(process.pid)!;
  await once(worker, "message");
  const after = processTimes(process.pid)!;
  worker.postMessage("end");
  await worker.terminate();
  expect(after.user - before.user).toBeGreaterThan(0.2);
});

test("a row costs what is between its marks: neither the boot nor preparations, helpers included", async () => {
  const light = `echo @@ begin light; echo @@ end light; echo @@ result light 7; echo @@ done light 0`;
  const heavy = `${busy(400_000)}; echo @@ begin heavy; bash -c '${busy(400_000)}'; ${busy(400_000)}
    echo @@ end heavy; ${busy(400_000)}; echo @@ result heavy 8 9; echo @@ done heavy 0`;
  const script = `${busy(400_000)}; echo @@ ready light; read -r _; echo @@ go light; ${light}
    echo @@ ready heavy; read -r _; echo @@ go heavy; ${heavy}; sleep 60`;
  const running = session(script, ["light", "heavy"]);
  await running.ready();
  const first = await running.row();
  const second = await running.row();
  running.close();
  expect(first.result).toBe("7");
  expect(second.result).toBe("8 9");
  expect(second.user).toBeGreaterThan(0.1);
  expect(first.user).toBeLessThan(second.user / 3);
  expect(second.wall).toBeGreaterThanOrEqual(second.user * 0.9);
  await expect(running.row()).rejects.toThrow(RangeError);
});

test("the guest starts a row only when it is asked to", async () => {
  const running = session("echo @@ ready a; read -r -t 0.3 _ && echo early; sleep 60", ["a"], 1);
  await running.ready();
  await new Promise((resolve) => setTimeout(resolve, 400));
  await expect(running.row()).rejects.toThrow(/^row a: not done after 1 s\n[\s\S]*ended:\n@@ ready a\n$/);
});

test("a guest that does not hear at first is asked again", async () => {
  const done = "for word in go begin end result; do echo @@ $word a; done; echo @@ done a 0";
  const running = session(`echo @@ ready a; read -r _; read -r line; echo heard $line; ${done}; sleep 60`, [
    "a",
  ]);
  await running.ready();
  await expect(running.row()).resolves.toMatchObject({ result: "" });
  running.close();
});

test.each([
  ["echo kernel panic; exit 3", /row a: the emulator ended \(exit code 3\)[\s\S]*kernel panic/],
  ["echo oops >&2; kill -9 $$", /row a: the emulator ended \(SIGKILL\)[\s\S]*oops/],
  ["echo @@ ready b; sleep 60", /row a: the guest said "ready b" where "ready a" was due/],
  ["exec /nonexistent/emulator", /row a: the emulator ended \(exit code 12[67]\)[\s\S]*No such file/],
])("an emulator that does %j never gets ready", async (script, message) => {
  await expect(session(script, ["a"]).ready()).rejects.toThrow(message);
});

test("a program that is not there is an error that names it", async () => {
  const running = new Session({ command: { argv: ["/nonexistent/emulator"] }, patience: 60 }, ["a"]);
  await expect(running.ready()).rejects.toThrow(/row a: [\s\S]*failed to execute \/nonexistent\/emulator/);
});

test.each([
  [
    "echo @@ begin a; echo cannot copy; echo @@ done a 1",
    /ended with status 1 .*without its marks[\s\S]*cannot copy/,
  ],
  ["echo @@ begin a; echo @@ end a; echo @@ result a x; echo @@ done a 2", /row a: ended with status 2/],
  ["echo @@ begin a; echo out of memory; exit 0", /row a: the emulator (ended|was gone)[\s\S]*out of memory/],
])("a row that does %j has failed", async (script, message) => {
  const running = session(`echo @@ ready a; read -r _; echo @@ go a; ${script}; sleep 60`, ["a"]);
  await running.ready();
  await expect(running.row()).rejects.toThrow(message);
});

test("the boot row costs what it costs until the console says so", async () => {
  const script = `${busy(400_000)}; printf 'Run /bin/sh as in'; sleep 0.1; echo 'it process'; sleep 60`;
  const cost = await runUntil({ command: bash(script), patience: 60 }, "boot", "as init process");
  expect(cost.user).toBeGreaterThan(0.05);
  expect(cost.wall).toBeLessThan(50);
  const silent = { command: bash("echo hello; exit 0"), patience: 60 };
  await expect(runUntil(silent, "boot", "as init process")).rejects.toThrow(/row boot: .*ended[\s\S]*hello/);
});

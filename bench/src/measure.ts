import { spawn } from "node:child_process";
import type { Command, Cost } from "./benchmark.ts";

/**
 * The shell waits for the command and accounts, as wait4 does, for all of its descendants that were waited for in
 * turn. The figures go to descriptor 3; the command has just the standard ones. SIGTERM ends the command, not the
 * shell, which has still to tell the figures.
 */
const script = `trap : TERM
TIMEFORMAT='%3R %3U %3S'
{ time "$@" 2>&4 3>&- 4>&-; } 4>&2 2>&3`;

/** How much of the command's output an error quotes, in characters. */
const quoted = 4000;

/**
 * Runs a command to its end and returns its cost.
 *
 * @param limit - Seconds until the run counts as failed and is killed.
 * @throws Error when the command can't be run, fails, says never what it should, or takes longer than the limit.
 */
export function measure(command: Command, limit: number): Promise<Cost> {
  return new Promise((resolve, reject) => {
    // Standard input is a socket, for which bash reads start-up files unless told not to.
    const child = spawn("bash", ["--norc", "-c", script, "bash", ...command.argv], {
      detached: true,
      env: { ...process.env, ...command.env },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    const signal = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch {
        // The group has ended by itself.
      }
    };
    let output = "";
    let figures = "";
    let reached = false;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      signal("SIGKILL");
    }, limit * 1000);

    const collect = (chunk: Buffer, fromStdout: boolean): void => {
      // Terminal output is matched as bytes: `until` is plain ASCII.
      output = (output + chunk.toString("latin1")).slice(
        -quoted - (command.until?.length ?? 0) - chunk.length,
      );
      if (fromStdout && !reached && command.until !== undefined && output.includes(command.until)) {
        reached = true;
        signal("SIGTERM");
      }
    };
    child.stdout.on("data", (chunk: Buffer) => collect(chunk, true));
    child.stderr.on("data", (chunk: Buffer) => collect(chunk, false));
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      figures += chunk.toString("latin1");
    });
    child.stdin.on("error", () => {
      // A command need not read its input.
    });
    child.stdin.end(command.input ?? "");
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(new Error("bash could not be started", { cause }));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      // A line about the signal that ended the command may come before the figures.
      const [wall, user, system] =
        /([\d.]+ [\d.]+ [\d.]+)\n$/.exec(figures)?.[1]?.split(" ").map(Number) ?? [];
      const problem = late
        ? `took longer than ${limit} s`
        : command.until !== undefined
          ? reached
            ? undefined
            : `ended (${code}) and never said ${JSON.stringify(command.until)}`
          : code === 0
            ? undefined
            : `ended with exit code ${code}`;
      if (problem !== undefined) {
        reject(
          new Error(`${command.argv.join(" ")}\n${problem}; its output ended:\n${output.slice(-quoted)}`),
        );
      } else if (wall === undefined || user === undefined || system === undefined) {
        reject(new Error(`bash told no times for ${command.argv.join(" ")}`));
      } else resolve({ wall, user, system });
    });
  });
}

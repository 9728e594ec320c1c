import { spawn } from "node:child_process";
import type { Command, Cost } from "../benchmark.ts";
import { type Mark, MarkReader } from "./marks.ts";
import { type ProcessTimes, processTimes } from "./process-times.ts";

/** What a row cost an emulator, and what came out of it in the guest. */
export interface RowCost extends Cost {
  readonly result: string;
}

/** How {@link runSession} runs an emulator. */
export interface SessionOptions {
  readonly command: Command;
  /** Names of the rows that the guest was told to do, in this order. */
  readonly rows: readonly string[];
  /** Seconds without a mark after which the session has failed. */
  readonly patience: number;
  /** Receives each row as it is done. */
  readonly onRow?: (row: string, cost: RowCost) => void;
  /** Receives the console's output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** How much of the console an error quotes, in characters. */
const QUOTED = 2000;

interface Sample extends ProcessTimes {
  readonly wall: number;
}

/**
 * Runs an emulator whose guest does rows one after the other, and reads its clocks at the guest's marks. The emulator
 * is ended when the last row is done.
 *
 * @throws Error naming the row and quoting the console when the emulator can't be started or ends early, a row fails,
 * or nothing is heard for too long.
 */
export async function runSession(options: SessionOptions): Promise<Map<string, RowCost>> {
  const { rows } = options;
  const costs = new Map<string, RowCost>();
  const reader = new MarkReader();
  let begun: Sample | undefined;
  let cost: Cost | undefined;
  let result = "";
  const onText = (text: string, sample: () => Sample): boolean => {
    for (const mark of reader.push(text)) {
      const expected = rows[costs.size];
      if (mark.row !== expected) throw new Error(`the guest speaks of ${mark.row}, not of ${expected}`);
      step(mark, sample);
    }
    return costs.size === rows.length;
  };
  const step = ({ kind, row, detail }: Mark, sample: () => Sample): void => {
    if (kind === "begin") begun = sample();
    else if (kind === "end" && begun !== undefined) cost = difference(sample(), begun);
    else if (kind === "result") result = detail;
    else if (kind === "done") {
      if (detail !== "0") throw new Error(`ended with status ${detail} in the guest`);
      if (cost === undefined) throw new Error("ended without its marks");
      const entry = { ...cost, result };
      costs.set(row, entry);
      options.onRow?.(row, entry);
      begun = cost = undefined;
      result = "";
    }
  };
  await watch(options, onText, () => rows[costs.size] ?? "");
  return costs;
}

/**
 * Runs an emulator until its console says something, and returns what it cost from its start.
 *
 * @throws as {@link runSession} does.
 */
export async function runUntil(
  options: Omit<SessionOptions, "rows"> & { readonly row: string; readonly until: string },
): Promise<RowCost> {
  let tail = "";
  let cost: Cost | undefined;
  const onText = (text: string, sample: () => Sample): boolean => {
    tail += text;
    if (tail.includes(options.until)) cost = sample();
    tail = tail.slice(-options.until.length);
    return cost !== undefined;
  };
  await watch(options, onText, () => options.row);
  if (cost === undefined) throw new Error("the console was not watched to its end");
  const entry = { ...cost, result: "" };
  options.onRow?.(options.row, entry);
  return entry;
}

function difference(to: Sample, from: Sample): Cost {
  return { wall: to.wall - from.wall, user: to.user - from.user, system: to.system - from.system };
}

/** Starts the emulator, hands on its output until `onText` has enough, ends it. */
function watch(
  { command, patience, onOutput }: Omit<SessionOptions, "rows" | "onRow">,
  onText: (text: string, sample: () => Sample) => boolean,
  row: () => string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const [program = "", ...args] = command.argv;
    const started = performance.now();
    // A group of its own, so that helpers of the emulator end with it; an input that stays open and says nothing.
    const child = spawn(program, args, {
      detached: true,
      env: { ...process.env, ...command.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    let settled = false;
    let timer: NodeJS.Timeout | undefined;
    const end = (problem?: unknown): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      process.off("exit", kill);
      kill();
      if (problem === undefined) {
        resolve();
        return;
      }
      const reason = problem instanceof Error ? problem.message : String(problem);
      const said = output === "" ? "it said nothing" : `its output ended:\n${output.slice(-QUOTED)}`;
      reject(new Error(`row ${row()}: ${reason}\n${command.argv.join(" ")}\n${said}`, { cause: problem }));
    };
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has ended by itself.
      }
    };
    const sample = (): Sample => {
      const times = child.pid === undefined ? undefined : processTimes(child.pid);
      if (times === undefined) throw new Error("the emulator was gone before its clocks were read");
      return { ...times, wall: (performance.now() - started) / 1000 };
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => end(new Error(`nothing heard for ${patience} s`)), patience * 1000);
    };
    process.once("exit", kill);
    child.stdin.on("error", () => {
      // An emulator need not read its input.
    });
    child.stdout.on("data", (chunk: Buffer) => {
      if (settled) return;
      // Marks are plain ASCII.
      const text = chunk.toString("latin1");
      output = (output + text).slice(-QUOTED);
      onOutput?.(text);
      wait();
      try {
        if (onText(text, sample)) end();
      } catch (error) {
        end(error);
      }
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString("latin1")).slice(-QUOTED);
    });
    child.once("error", (error) => end(error));
    child.once("close", (code, signal) => end(new Error(`the emulator ended (${signal ?? code})`)));
    wait();
  });
}

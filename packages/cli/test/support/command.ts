/** Runs the command as a person does: as a process of its own, with or without a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The command line that runs a source of the command under the Node of this process. */
export function commandLine(...args: readonly string[]): string[] {
  return [process.execPath, "--conditions=@isomorph/source", MAIN, ...args];
}

/** How a process ended and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What a process is given. */
export interface Given {
  /** Standard input; none (end of file at once) by default. With null it stays open, for `onoutput` to write to. */
  readonly input?: string | Uint8Array | null | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds until it is killed; 120 by default. */
  readonly seconds?: number;
  /** Called once the process has written something to standard output. */
  readonly onoutput?: (child: ChildProcess, stdout: string) => void;
}

/** Runs `isomorph ARGS`. */
export function isomorph(args: readonly string[], given: Given = {}): Promise<Ended> {
  const [program, ...rest] = commandLine(...args) as [string, ...string[]];
  return runToEnd(program, rest, given);
}

/** Runs a program to its end. */
export function runToEnd(program: string, args: readonly string[], given: Given = {}): Promise<Ended> {
  const child = spawn(program, args, { env: { ...process.env, ...given.env }, stdio: "pipe" });
  const deadline = setTimeout(() => child.kill("SIGKILL"), (given.seconds ?? 120) * 1000);
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout.push(chunk);
    given.onoutput?.(child, Buffer.concat(stdout).toString("latin1"));
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // A command that does not read its input is no failure of the test.
  child.stdin.on("error", () => {});
  if (given.input !== null) child.stdin.end(given.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(deadline);
      resolve({ code, signal, stdout: Buffer.concat(stdout), stderr });
    });
  });
}

/** A folder of its own, and the environment that makes the command keep its persistent guest there. */
export function scratch(): { readonly folder: string; readonly env: Readonly<Record<string, string>> } {
  const folder = mkdtempSync(join(tmpdir(), "isomorph cli "));
  return { folder, env: { XDG_DATA_HOME: folder } };
}

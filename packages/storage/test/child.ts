import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** Runs a file of `fixtures/` in a Node of its own, until the test ends at the latest. */
export function startChild(fixture: string, ...args: string[]): ChildProcess {
  const path = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@isomorph/source", path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    await killChild(child);
  });
  return child;
}

/** Kills without a chance to clean up, and waits for the end. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** The first line that the child prints. */
export async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { guestError } from "./errors.ts";

/** The programs of the host that a build calls, each with the Debian package that brings it. */
const TOOL_PACKAGES = {
  "apt-get": "apt",
  "apt-cache": "apt",
  "apt-config": "apt",
  "dpkg-deb": "dpkg",
  mke2fs: "e2fsprogs",
  debugfs: "e2fsprogs",
  dumpe2fs: "e2fsprogs",
  e2fsck: "e2fsprogs",
  xz: "xz-utils",
} as const;

/** Name of a program of the host that a build calls. */
export type ToolName = keyof typeof TOOL_PACKAGES;

/** Where each program was found. */
export type HostTools = Readonly<Record<ToolName, string>>;

const STDERR_LIMIT = 8192;
const STDOUT_LIMIT = 64 * 1024 * 1024;

/** PATH, then the directories of system programs that an ordinary user's PATH may lack. */
export function defaultToolPath(): readonly string[] {
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return [...path, "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
}

/**
 * Finds every program that a build needs.
 * @throws `ERR_GUEST_TOOL_MISSING`, naming what is missing, what to install, and how to do without.
 */
export function findHostTools(toolPath: readonly string[] = defaultToolPath()): HostTools {
  const found: Partial<Record<ToolName, string>> = {};
  const missing: ToolName[] = [];
  for (const name of Object.keys(TOOL_PACKAGES) as ToolName[]) {
    const path = toolPath.map((directory) => join(directory, name)).find(isExecutable);
    if (path === undefined) missing.push(name);
    else found[name] = path;
  }
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((name) => TOOL_PACKAGES[name]))];
    throw guestError(
      "ERR_GUEST_TOOL_MISSING",
      `building the Debian guest needs ${missing.join(", ")}, which this host lacks. ` +
        `On Debian and its relatives: apt-get install ${packages.join(" ")}. ` +
        "Elsewhere bring your own guest: isomorph run --kernel FILE [--initrd FILE] --disk FILE",
    );
  }
  return found as HostTools;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** How {@link runTool} runs a program. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** Takes standard output as it comes; without it the output is returned as text. */
  readonly onStdout?: (chunk: Uint8Array) => void;
  /** Takes standard error as it comes, besides what a failure reports of it. */
  readonly onStderr?: (text: string) => void;
  /** Takes each line that the program writes to file descriptor 3. */
  readonly onStatusLine?: (line: string) => void;
}

/**
 * Runs a program of the host with no standard input, in the C locale.
 * @returns its standard output (empty when `onStdout` took it).
 * @throws `ERR_GUEST_TOOL_FAILED` with the end of its standard error; the signal's reason when aborted.
 */
export async function runTool(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(path, args, {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: "C", PATH: defaultToolPath().join(delimiter), ...options.env },
    stdio: ["ignore", "pipe", "pipe", options.onStatusLine ? "pipe" : "ignore"],
  });
  const abort = (): void => void child.kill("SIGTERM");
  options.signal?.addEventListener("abort", abort, { once: true });

  const output: Uint8Array[] = [];
  let outputLength = 0;
  let complaint = "";
  let failure: unknown;
  child.stdout?.on("data", (chunk: Buffer) => {
    if (failure !== undefined) return;
    try {
      if (options.onStdout) return options.onStdout(chunk);
      outputLength += chunk.length;
      if (outputLength > STDOUT_LIMIT) throw new Error(`${path} wrote more than ${STDOUT_LIMIT} bytes`);
      output.push(chunk);
    } catch (thrown) {
      failure = thrown;
      child.kill("SIGTERM");
    }
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    options.onStderr?.(chunk.toString());
    complaint = (complaint + chunk.toString()).slice(-STDERR_LIMIT);
  });
  const status = child.stdio[3];
  if (options.onStatusLine && status && "on" in status) {
    let rest = "";
    status.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = (lines.pop() ?? "").slice(-STDERR_LIMIT);
      try {
        for (const line of lines) options.onStatusLine?.(line);
      } catch (thrown) {
        failure ??= thrown;
        child.kill("SIGTERM");
      }
    });
  }
  child.on("error", (error) => {
    failure ??= error;
  });
  const ending = await new Promise<string>((resolve) => {
    child.on("close", (exit, killedBy) =>
      resolve(killedBy === null ? `exit status ${exit}` : `signal ${killedBy}`),
    );
  });
  options.signal?.removeEventListener("abort", abort);
  options.signal?.throwIfAborted();
  if (failure === undefined && ending === "exit status 0") return Buffer.concat(output).toString();
  const said = complaint.trim();
  throw guestError("ERR_GUEST_TOOL_FAILED", `${path} failed (${ending})${said && `: ${said}`}`, failure);
}

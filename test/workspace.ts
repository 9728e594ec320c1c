/** What the root's tests know of the repository: its files, its packages, and how to run a tool on it. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>> | string | null>>;
  readonly publishConfig?: { readonly exports?: Manifest["exports"] };
}

export interface Package {
  /** The folder's name under packages/. */
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every package that is published. */
export const packages: readonly Package[] = readdirSync(join(root, "packages"))
  .sort()
  .map((name) => {
    const folder = join(root, "packages", name);
    return {
      name,
      folder,
      manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest,
    };
  });

/** Absolute paths of the files under a folder whose name ends so, at any depth; none when there is no such folder. */
export function filesUnder(folder: string, ending: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

export interface ToolResult {
  readonly code: number;
  /** Standard output and standard error, one after the other. */
  readonly output: string;
}

/** Runs a program of the workspace, or of the system, in the repository's root. */
export function runTool(program: string, args: readonly string[], cwd: string = root): Promise<ToolResult> {
  const env = {
    ...process.env,
    PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH ?? ""}`,
    NO_COLOR: "1",
    FORCE_COLOR: undefined,
    NODE_OPTIONS: undefined,
    VITEST: undefined,
    ISOMORPH_COUNT_FILE: undefined,
    TURBO_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

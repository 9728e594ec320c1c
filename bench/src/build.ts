import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tools = join(root, "node_modules", ".bin");

/** How much of what the build said an error quotes, in characters. */
const QUOTED = 4000;

/**
 * Builds the command and the packages that it needs, as they are published: what is measured. Takes seconds when a
 * source has changed, else next to nothing; a `dist` that is not of these sources is replaced.
 *
 * @param tell - Receives a line of progress.
 * @throws Error that quotes the build's messages when it fails.
 */
export async function buildWhatIsMeasured(tell: (line: string) => void): Promise<void> {
  tell("building the packages that are measured ...");
  // Tests build the same packages: one waits for the other.
  const lock = join(root, "node_modules", ".isomorph-build.lock");
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH ?? ""}`, NO_COLOR: "1" };
  try {
    await promisify(execFile)("flock", [lock, "turbo", "run", "build", "--filter=@isomorph/cli..."], {
      cwd: root,
      env,
      maxBuffer: 64 << 20,
    });
  } catch (cause) {
    const { stdout = "", stderr = "", message } = cause as Error & { stdout?: string; stderr?: string };
    const said = `${stdout}${stderr}`.trim().slice(-QUOTED) || message;
    throw new Error(`nothing is measured, as the packages could not be built:\n${said}`, { cause });
  }
}

/** Building the packages from within a test. */
import { join } from "node:path";
import { expect } from "vitest";
import { root, runTool } from "./workspace.ts";

/**
 * Builds every package into its dist/, unless that has been done for these sources. Test files run side by side:
 * the lock makes the second one wait for the first.
 */
export async function buildPackages(): Promise<void> {
  const lock = join(root, "node_modules", ".isomorph-build.lock");
  const built = await runTool("flock", [lock, "turbo", "run", "build", "--filter=./packages/*"]);
  expect(built, built.output).toMatchObject({ code: 0 });
}

// Brings a fresh clone to the state that every other command needs. Runs on any Node >= 18, without dependencies:
// installs the workspace with the pinned pnpm when the lockfile or a manifest changed. Its output goes to
// standard error, so that a command's own standard output stays its own.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installJudges } from "./judges.mjs";

/** The repository's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const bin = join(root, "node_modules", ".bin");

/** The pinned Node, which everything but the launchers runs under. */
export const node = join(bin, "node");

/** The environment in which the workspace's own tools come first. */
export const env = {
  ...process.env,
  PATH: `${bin}:${process.env.PATH ?? ""}`,
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
};

/** Writes one line of progress. */
export function say(text) {
  process.stderr.write(`isomorph: ${text}\n`);
}

/** A digest of everything that an installation follows from. */
function inputs() {
  const manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bench/package.json"];
  manifests.push("docs/package.json");
  for (const folder of ["packages", "apps"]) {
    for (const name of readdirSync(join(root, folder)).sort())
      manifests.push(`${folder}/${name}/package.json`);
  }
  const hash = createHash("sha256");
  for (const name of manifests) {
    if (!existsSync(join(root, name))) continue;
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update("\0");
  }
  return hash.digest("hex");
}

/** Installs the workspace, unless the stamp of a former installation still holds. */
export function installWorkspace() {
  const stamp = inputs();
  const stampFile = join(root, "node_modules", ".isomorph-bootstrap");
  if (existsSync(node) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;

  const pnpm = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).packageManager;
  say(`installing the workspace with ${pnpm}: about half a minute, once ...`);
  const args = ["--yes", "--loglevel=error", `--package=${pnpm}`, "--", "pnpm", "install"];
  args.push("--frozen-lockfile", "--prefer-offline", "--reporter=append-only");
  const result = spawnSync("npx", args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.error) throw new Error(`npx could not be started: ${result.error.message}`);
  if (result.status !== 0) throw new Error("pnpm install failed; its messages are above");
  writeFileSync(stampFile, stamp);
  say("workspace installed");
}

/** Everything that the tests need: the workspace and the programs they judge by. */
export function installForTests() {
  installJudges(root, say);
  installWorkspace();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    installForTests();
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}

// Brings a fresh clone to the state that every other command needs. Runs on any Node >= 18, without dependencies:
// installs the workspace with the pinned pnpm when its lockfile or manifests changed, and the Debian packages
// that `npm test` judges by. All of its output goes to standard error.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const bin = join(root, "node_modules", ".bin");

/** The pinned Node that everything but the launchers runs under. */
export const node = join(bin, "node");

/** The environment in which the workspace's own tools come first. */
export const env = {
  ...process.env,
  PATH: `${bin}:${process.env.PATH ?? ""}`,
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
};

const say = (text) => process.stderr.write(`isomorph: ${text}\n`);

/** Installs the workspace unless the stamp of a former installation is still true. */
export function installWorkspace() {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const hash = createHash("sha256");
  const manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"];
  for (const folder of ["packages", "apps"]) {
    for (const name of readdirSync(join(root, folder)).sort())
      manifests.push(`${folder}/${name}/package.json`);
  }
  manifests.push("bench/package.json", "docs/package.json");
  for (const name of manifests) {
    if (!existsSync(join(root, name))) continue;
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update("\0");
  }
  const stamp = hash.digest("hex");
  const stampFile = join(root, "node_modules", ".isomorph-bootstrap");
  if (existsSync(node) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;

  const pnpm = manifest.packageManager;
  say(`installing the workspace with ${pnpm} (once, about half a minute) ...`);
  const args = ["--yes", "--loglevel=error", `--package=${pnpm}`, "--", "pnpm", "install"];
  args.push("--frozen-lockfile", "--prefer-offline", "--reporter=append-only");
  const result = spawnSync("npx", args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.error) throw new Error(`npx could not be started: ${result.error.message}`);
  if (result.status !== 0) throw new Error("pnpm install failed; its messages are above");
  writeFileSync(stampFile, stamp);
  say("workspace installed");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    installWorkspace();
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}

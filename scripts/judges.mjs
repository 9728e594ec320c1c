// The programs that the tests judge by, all of them from Debian: see debian-packages.txt.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";

const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"].filter(
  (folder) => folder !== "",
);

function present(probe) {
  if (isAbsolute(probe)) return existsSync(probe);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, probe), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The packages of the list whose program is not on this machine. */
function missing(listFile) {
  const names = [];
  for (const line of readFileSync(listFile, "utf8").split("\n")) {
    const [name, probe] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (name && !present(probe)) names.push(name);
  }
  return names;
}

function apt(...args) {
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Acquire::Retries=3"];
  const result = spawnSync("apt-get", [...options, ...args], { stdio: ["ignore", 2, 2], env: environment });
  return result.status === 0;
}

/**
 * Installs what is missing when this is root on Debian; otherwise an error that names it.
 * A test never runs without its judge.
 */
export function installJudges(root, say) {
  const listFile = join(root, "scripts", "debian-packages.txt");
  const names = missing(listFile);
  if (names.length === 0) return;
  if (process.getuid?.() === 0 && present("apt-get")) {
    say(`installing Debian packages for the tests: ${names.join(" ")} ...`);
    apt("update");
    apt("install", "--no-install-recommends", ...names);
  }
  const still = missing(listFile);
  if (still.length > 0) {
    throw new Error(`the tests need these Debian packages (apt-get install, as root): ${still.join(" ")}`);
  }
  say("Debian packages installed");
}

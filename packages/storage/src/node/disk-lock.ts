import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, diskError } from "../disk-error.ts";

/** Several readers, or one writer alone. */
export type LockMode = "read" | "write";

/** How often a conflict is looked at again: two that start together can each see the other's claim and withdraw. */
const ATTEMPTS = 4;
/** Codes of a host that lets nothing be created or removed. */
const DENIED = ["EACCES", "EPERM", "EROFS"];

/** Who holds a claim. The file's name says it all, so that a claim is complete from the moment it exists. */
interface Claim {
  readonly mode: LockMode;
  readonly pid: number;
  /** When the process started, in the host's clock ticks after boot; `-` where the host does not say. */
  readonly started: string;
  /** Identifies the host's boot; `-` where it does not say. */
  readonly boot: string;
  /** Identifies the namespace in which `pid` means something; `-` where the host does not say. */
  readonly pidNamespace: string;
  readonly host: string;
}

/**
 * Locks the file at `path` (links resolved) against other disks, in this process or in others on this host.
 *
 * Every contender puts a claim with a name of its own into the folder `<path>.lock` and then looks for others:
 * whoever sees a living one that conflicts withdraws. A claim is made before others are looked for, so of two
 * contenders at least one sees the other; names are never used twice, so a dead process's claim can be removed
 * without a race. Nothing needs repair after a crash.
 *
 * @returns a function that gives the lock back.
 * @throws Error with code `ERR_DISK_LOCKED` when another holds it, or the host's code when no claim can be made.
 */
export async function lockDisk(path: string, mode: LockMode): Promise<() => void> {
  const folder = `${path}.lock`;
  const name = nameOf(ownClaim(mode));
  for (let attempt = 1; ; attempt++) {
    let release = (): void => removeClaim(folder, name);
    try {
      makeClaim(folder, name);
    } catch (cause) {
      if (mode === "write" || !DENIED.includes(codeOf(cause))) {
        throw diskError(codeOf(cause), `${path} cannot be locked: ${(cause as Error).message}`, cause);
      }
      // Read-only media and others' folders: a reader that can leave no claim still respects those it sees.
      release = () => {};
    }
    const holder = findConflict(folder, name, mode);
    if (holder === undefined) return release;
    release();
    if (attempt === ATTEMPTS) {
      throw diskError(
        "ERR_DISK_LOCKED",
        `${path} is in use by ${holder.who}; if no such process runs, remove ${folder}/${holder.name}`,
      );
    }
    await sleep(5 + Math.random() * 20);
  }
}

function makeClaim(folder: string, name: string): void {
  for (;;) {
    try {
      mkdirSync(folder);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    try {
      closeSync(openSync(`${folder}/${name}`, "wx"));
      return;
    } catch (error) {
      // The last holder removed the folder in between.
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
}

function removeClaim(folder: string, name: string): void {
  ignoring(["ENOENT"], () => unlinkSync(`${folder}/${name}`));
  ignoring(["ENOENT", "ENOTEMPTY", "EEXIST"], () => rmdirSync(folder));
}

function findConflict(
  folder: string,
  own: string,
  mode: LockMode,
): { name: string; who: string } | undefined {
  for (const name of claimsIn(folder)) {
    if (name === own) continue;
    const claim = parseName(name);
    if (claim === undefined) return { name, who: "an unknown holder" };
    if (mode === "read" && claim.mode === "read") continue;
    if (mayBeAlive(claim)) return { name, who: `process ${claim.pid} on ${claim.host} (to ${claim.mode})` };
    ignoring(["ENOENT", ...DENIED], () => unlinkSync(`${folder}/${name}`));
  }
  return undefined;
}

function claimsIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** False only when the holder is known to have ended. */
function mayBeAlive(claim: Claim): boolean {
  const self = ownClaim(claim.mode);
  if (claim.host !== self.host) return true;
  if (claim.boot !== self.boot) return false;
  if (claim.pidNamespace !== self.pidNamespace) return true;
  try {
    process.kill(claim.pid, 0);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
  }
  const started = startOf(claim.pid);
  return started === undefined || started === claim.started;
}

function ownClaim(mode: LockMode): Claim {
  return {
    mode,
    pid: process.pid,
    started: startOf(process.pid) ?? "-",
    boot: fromHost(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: fromHost(() => readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")),
    host:
      hostname()
        .replace(/[^A-Za-z0-9-]/g, "-")
        .slice(0, 64) || "-",
  };
}

function nameOf(claim: Claim): string {
  const { mode, pid, started, boot, pidNamespace, host } = claim;
  return [mode, pid, started, boot, pidNamespace, host, randomBytes(6).toString("hex")].join("_");
}

function parseName(name: string): Claim | undefined {
  const [mode, pid, started, boot, pidNamespace, host, random] = name.split("_");
  if (mode !== "read" && mode !== "write") return undefined;
  if (!/^\d{1,10}$/.test(pid ?? "") || !random || !started || !boot || !pidNamespace || !host)
    return undefined;
  return { mode, pid: Number(pid), started, boot, pidNamespace, host };
}

/** When a process started (proc(5), field 22 of its stat), `zombie` for one that only waits for its parent. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses that may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "zombie" : fields[19];
  } catch {
    return undefined;
  }
}

function fromHost(read: () => string): string {
  try {
    return read() || "-";
  } catch {
    return "-";
  }
}

function ignoring(codes: readonly string[], call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!codes.includes(codeOf(error))) throw error;
  }
}

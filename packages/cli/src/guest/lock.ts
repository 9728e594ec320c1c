import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, guestError } from "./errors.ts";

/** What a lock file says of its holder. */
interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  /** When the process began, in the kernel's ticks: tells a process from a later one of the same number. */
  readonly started: string;
}

const POLL_MS = 200;
const SETTLE_MS = 250;

/**
 * Takes a lock file, waiting for another process that holds it. A lock whose holder is no longer there is
 * taken over; one held from another host (a shared home) can't be judged, and is waited for.
 * @param onWait is called once, before the first wait.
 * @param patience how long to wait, in milliseconds.
 * @returns a function that gives the lock back; further calls do nothing.
 * @throws `ERR_GUEST_LOCKED` after `patience`; the signal's reason when aborted.
 */
export async function acquireLock(
  path: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly patience?: number;
    readonly onWait?: (pid: number) => void;
  } = {},
): Promise<() => Promise<void>> {
  const mine: Holder = {
    token: randomUUID(),
    pid: process.pid,
    host: hostname(),
    started: await startTime(process.pid),
  };
  const claim = `${path}.${mine.token}`;
  const deadline = performance.now() + (options.patience ?? 30 * 60_000);
  let waited = false;
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      await writeFile(claim, JSON.stringify(mine));
      try {
        await link(claim, path);
        break;
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
      const holder = await readHolder(path);
      if (holder === "absent") continue;
      if (holder === "unreadable" || !(await isAlive(holder))) {
        // Another contender may do the same; the last rename wins, and whoever lost sees that after a while.
        await rename(claim, path);
        await sleep(SETTLE_MS, undefined, { signal: options.signal });
        const now = await readHolder(path);
        if (typeof now === "object" && now.token === mine.token) break;
        continue;
      }
      if (!waited) options.onWait?.(holder.pid);
      waited = true;
      if (performance.now() > deadline) {
        throw guestError(
          "ERR_GUEST_LOCKED",
          `process ${holder.pid} on ${holder.host} has held ${path} for too long`,
        );
      }
      await sleep(POLL_MS, undefined, { signal: options.signal });
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await rm(claim, { force: true });
  }
  return async () => {
    const holder = await readHolder(path);
    if (typeof holder === "object" && holder.token === mine.token) await rm(path, { force: true });
  };
}

async function readHolder(path: string): Promise<Holder | "absent" | "unreadable"> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return isHolder(value) ? value : "unreadable";
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "absent" : "unreadable";
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== "object" || value === null) return false;
  const { token, pid, host, started } = value as Partial<Record<keyof Holder, unknown>>;
  return (
    typeof token === "string" &&
    Number.isSafeInteger(pid) &&
    typeof host === "string" &&
    typeof started === "string"
  );
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  return (await startTime(holder.pid)) === holder.started;
}

/** Field 22 of /proc/PID/stat (proc(5)); empty where there is no such file. */
async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

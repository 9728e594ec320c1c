import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acquireLock } from "../src/guest/lock.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a lock file", () => {
  it("lets one in at a time and leaves nothing behind", async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const release = await acquireLock(path);
        most = Math.max(most, ++inside);
        await sleep(20);
        inside--;
        await release();
        await release();
      }),
    );
    expect(most).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says whom it waits for, and stops waiting when asked to or when patience ends", async () => {
    const release = await acquireLock(path);
    const waits: number[] = [];
    const onWait = (pid: number): void => void waits.push(pid);
    const reason = new Error("enough");
    await expect(
      acquireLock(path, { signal: AbortSignal.any([AbortSignal.timeout(50)]), onWait }),
    ).rejects.toThrow();
    const controller = new AbortController();
    const waiting = acquireLock(path, { signal: controller.signal, onWait });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(acquireLock(path, { patience: 0 })).rejects.toMatchObject({ code: "ERR_GUEST_LOCKED" });
    expect(waits[0]).toBe(process.pid);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ["of a process that ended", () => ({ pid: endedProcess(), host: hostname(), started: "1" })],
    ["of an earlier process with our number", () => ({ pid: process.pid, host: hostname(), started: "1" })],
  ])("%s is taken over", async (_, holder) => {
    writeFileSync(path, JSON.stringify({ token: "theirs", ...holder() }));
    const release = await acquireLock(path, { patience: 5000 });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid });
    await release();
    expect(existsSync(path)).toBe(false);
  });

  it("that is garbage is taken over, by one of several contenders at a time", async () => {
    writeFileSync(path, "{");
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 3 }, async () => {
        const release = await acquireLock(path);
        most = Math.max(most, ++inside);
        await sleep(10);
        inside--;
        await release();
      }),
    );
    expect(most).toBe(1);
  });

  it("held on another host is waited for", async () => {
    writeFileSync(path, JSON.stringify({ token: "theirs", pid: 1, host: "elsewhere.example", started: "1" }));
    await expect(acquireLock(path, { patience: 0 })).rejects.toMatchObject({ code: "ERR_GUEST_LOCKED" });
    expect(existsSync(path)).toBe(true);
  });
});

function endedProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

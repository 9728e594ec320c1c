/** `isomorph start`, as `npm start` runs it: unmodified Debian from power-on to power-off. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandLine, isomorph, scratch } from "./support/command.ts";
import { BUILD_SECONDS, checkExt4, debianGuest } from "./support/debian.ts";
import { shellWords, TestTerminal } from "./support/terminal.ts";

const { folder, env } = scratch();
const disk = join(folder, "isomorph", "debian", "root.ext4");
const BOOT = { timeout: 240_000 };

beforeAll(async () => {
  await debianGuest();
}, BUILD_SECONDS * 1000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (...args: readonly string[]): readonly string[] => ["start", ...args];

/** The tests below go on from one another: one guest, its disk, and what is written there. */
describe("a persistent Debian", () => {
  test("--exec: streams both ways, user space, the exit code", BOOT, async () => {
    const data = randomBytes(2_000_000);
    const command = `
      cat >/root/data; sha256sum </root/data
      uname -sr; . /etc/os-release; echo "$ID $VERSION_ID"
      findmnt -no SOURCE,FSTYPE,OPTIONS /
      python3 -c 'import json, ssl, sqlite3; print(json.dumps([ssl.OPENSSL_VERSION[:7], sqlite3.connect(":memory:").execute("select 6*7").fetchone()]))'
      echo "it's" >/dev/stderr; printf 'no newline' >&2
      curl --version | head -c 5; echo; ip -br link show lo
      echo kept >/root/kept
      head -c 12000000 /dev/zero | tr '\\0' x
      exit 7`;
    const { code, stdout, stderr } = await isomorph(start("--exec", command), {
      input: data,
      env,
      seconds: 200,
    });
    const [sum, kernel, system, root, python, curl, loopback, ...rest] = stdout
      .toString("latin1")
      .split("\n");
    expect(sum).toBe(`${createHash("sha256").update(data).digest("hex")}  -`);
    expect(kernel).toMatch(/^Linux 6\.12\..*-riscv64$/);
    expect(system).toBe("debian 13");
    expect(root).toMatch(/^\/dev\/vda +ext4 +rw/);
    expect(JSON.parse(python ?? "")).toEqual(["OpenSSL", [42]]);
    expect(curl).toBe("curl ");
    expect(loopback).toMatch(/^lo .*00:00:00:00:00:00/);
    expect(rest.join("\n").length).toBe(12_000_000);
    expect(rest.join("\n").replaceAll("x", "")).toBe("");
    expect(stderr.replace(/^isomorph: .*\n/gm, "")).toBe("it's\nno newline");
    expect(code).toBe(7);
    await checkExt4(disk);
  });

  test(
    "standard input is the shell's; what was written is there; a second start is refused",
    BOOT,
    async () => {
      let second: ReturnType<typeof isomorph> | undefined;
      const input = "cat /root/kept\nuname -m\necho ready\nsleep 3\ntouch /root/piped\n";
      const { code, stdout, stderr } = await isomorph(start(), {
        input,
        env,
        onoutput: (_, shown) => {
          if (shown.includes("ready")) second ??= isomorph(start("--exec", "true"), { env });
        },
      });
      expect(stdout.toString()).toBe("kept\nriscv64\nready\n");
      expect(stderr).toMatch(
        /Debian 13 is up after .*standard input has ended after \d+ bytes.*powered off/s,
      );
      expect(code).toBe(0);
      const refused = await second;
      expect(refused?.stderr).toMatch(/root\.ext4 is in use by .*poweroff.*--ephemeral/);
      expect(refused?.code).toBe(1);
      await checkExt4(disk);
    },
  );

  test("at a terminal: a shell with job control that knows its size; poweroff leaves", BOOT, async () => {
    const terminal = new TestTerminal(
      `tty; ${shellWords(commandLine(...start()))}; echo "code $?"; stty -a`,
      env,
    );
    await terminal.see(/\/dev\/pts\/\d+/);
    const tty = /\/dev\/pts\/\d+/.exec(terminal.shown)?.[0] ?? "";
    await terminal.see(/booting Debian 13/);
    await terminal.see(/Debian 13 is up .*poweroff leaves/, 120);
    await terminal.see("root@isomorph:~# ");
    terminal.type("ls /root; stty size; echo $TERM; tty\r");
    await terminal.see(/data.*kept.*piped.*33 101.*xterm.*\/dev\/hvc0.*# $/s);
    terminal.type("sleep 1000\r");
    await terminal.see("sleep 1000");
    // Job control: stop, continue in the foreground, interrupt.
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type("\x1a");
    await terminal.see(/Stopped.*# $/s);
    terminal.type("fg\r");
    await terminal.see(/sleep 1000/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type("\x03");
    await terminal.see("# ");
    const resize = new TestTerminal(`stty -F ${tty} rows 40 cols 120`);
    await resize.end();
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type("stty size\r");
    await terminal.see(/40 120.*# $/s);
    terminal.type("poweroff\r");
    await terminal.see(/powered off.*code 0.*[^-]icanon.*[^-]echo /s);
    await terminal.end();
    await checkExt4(disk);
  });

  test("--systemd boots to a login prompt and a running system", BOOT, async () => {
    const terminal = new TestTerminal(shellWords(commandLine(...start("--systemd"))), env);
    await terminal.see(/isomorph login: /, 200);
    terminal.type("root\r");
    await terminal.see("# ");
    terminal.type(
      "systemctl is-system-running --wait; cat /root/kept; systemctl --failed --no-legend | wc -l\r",
    );
    await terminal.see(/running\s+kept\s+0\s/, 120);
    terminal.type("poweroff\r");
    expect(await terminal.end(60)).toBe(0);
    expect(terminal.shown).toMatch(/powered off|Power down/);
    await checkExt4(disk);
  });

  test("Ctrl-A x switches off orderly; --fresh starts over", BOOT, async () => {
    const terminal = new TestTerminal(shellWords(commandLine(...start("--fresh"))), env);
    await terminal.see("root@isomorph:~# ", 120);
    terminal.type("ls /root | wc -l; echo unsynced >/root/unsynced\r");
    await terminal.see(/\s0\s.*# $/s);
    terminal.type("\x01x");
    await terminal.see(/powering off; once more.*powered off/s);
    expect(await terminal.end()).toBe(0);
    await checkExt4(disk);
    const { code, stdout } = await isomorph(start("--exec", "cat /root/unsynced; kill -KILL $$"), { env });
    expect([code, stdout.toString()]).toEqual([137, "unsynced\n"]);
  });
});

describe("a guest that is not kept", () => {
  test("standard input with nothing in it: it boots, says so, and ends with 0", BOOT, async () => {
    const other = scratch();
    const { code, stdout, stderr } = await isomorph(start("--ephemeral"), { env: other.env });
    expect(stderr).toMatch(/Debian 13 is up after [\d.]+ s \(Linux 6\.12.*ended after 0 bytes.*powered off/s);
    expect([code, stdout.toString()]).toEqual([0, ""]);
    expect(existsSync(join(other.folder, "isomorph"))).toBe(false);
    rmSync(other.folder, { recursive: true });
  });

  test("SIGINT reaches the command; a reader that goes away ends it; two harts", BOOT, async () => {
    const command = `nproc; trap 'echo interrupted; exit 42' INT; echo ready; while :; do sleep 0.1; done`;
    const interrupted = isomorph(start("--ephemeral", "--harts", "2", "--exec", command), {
      env,
      onoutput: (child, shown) => {
        if (shown.endsWith("ready\n")) child.kill("SIGINT");
      },
    });
    const { code, stdout, stderr } = await interrupted;
    expect([code, stdout.toString(), stderr]).toEqual([42, "2\nready\ninterrupted\n", ""]);

    let closed = false;
    const gone = await isomorph(start("--ephemeral", "--exec", "yes"), {
      env,
      onoutput: (child) => {
        if (!closed) child.stdout?.destroy();
        closed = true;
      },
    });
    expect(gone.code).toBe(141);
  });
});

test("a guest whose files were lost is not replaced behind one's back", async () => {
  const other = scratch();
  const { folder: data } = other;
  const store = join(data, "isomorph", "debian");
  const copy = join(folder, "isomorph", "debian", "guest.json");
  const { mkdirSync } = await import("node:fs");
  mkdirSync(store, { recursive: true });
  writeFileSync(join(store, "guest.json"), readFileSync(copy));
  const { code, stderr } = await isomorph(start("--exec", "true"), { env: other.env });
  expect(stderr).toMatch(/is missing; --fresh/);
  expect(code).toBe(1);
  rmSync(data, { recursive: true });
});

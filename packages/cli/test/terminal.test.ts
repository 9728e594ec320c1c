import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createProgress } from "../src/command/progress.ts";
import { type EscapeCommand, EscapeKeys } from "../src/terminal/escape-keys.ts";
import { TerminalModes } from "../src/terminal/raw-terminal.ts";
import { commandLine, isomorph, runToEnd, scratch } from "./support/command.ts";
import { crashingGuest, echoGuest, loudGuest, resetGuest } from "./support/guests.ts";
import { shellWords, TestTerminal } from "./support/terminal.ts";

const { folder } = scratch();
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  writeFileSync(file("echo"), echoGuest());
  writeFileSync(file("loud"), loudGuest(400_000));
  writeFileSync(file("reset"), resetGuest());
  writeFileSync(file("crash"), crashingGuest());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const echo = (...args: string[]): string[] => ["run", "--memory", "16M", "--kernel", file("echo"), ...args];

describe("escape keys", () => {
  const typed = (input: string, key: number | undefined = 1): [string, EscapeCommand[]] => {
    const commands: EscapeCommand[] = [];
    const keys = new EscapeKeys(key, (command) => commands.push(command));
    // One byte at a time: an escape may be split anywhere.
    const rest = [...input].map((byte) =>
      Buffer.from(keys.filter(Buffer.from(byte, "latin1"))).toString("latin1"),
    );
    const whole = Buffer.from(new EscapeKeys(key, () => {}).filter(Buffer.from(input, "latin1"))).toString(
      "latin1",
    );
    expect(whole).toBe(rest.join(""));
    return [whole, commands];
  };

  test("are taken out, and come once more as themselves", () => {
    expect(typed("plain")).toEqual(["plain", []]);
    expect(typed("a\x01hb\x01xc")).toEqual(["abc", ["help", "quit"]]);
    expect(typed("\x01\x01\x01a")).toEqual(["\x01\x01", []]);
    expect(typed("\x01zq")).toEqual(["q", []]);
    expect(typed("\x1dx\x01x", 0x1d)).toEqual(["\x01x", ["quit"]]);
    const none = new EscapeKeys(undefined, () => {});
    expect(Buffer.from(none.filter(Buffer.from("\x01x"))).toString()).toBe("\x01x");
  });
});

describe("modes of the terminal", () => {
  test("that the guest left on are switched off, others are not touched", () => {
    const modes = new TerminalModes();
    modes.follow(Buffer.from("\x1b[?2004h\x1b[?1049h text \x1b[?25l"));
    modes.follow(Buffer.from("\x1b[?1049l"));
    expect(modes.undo()).toBe("\x1b[?25h\x1b[?2004l");
    expect(modes.undo()).toBe("");
  });
});

describe("progress", () => {
  const shown = (isTTY: boolean, quiet = false): string => {
    let text = "";
    const write = (part: string): void => {
      text += part;
    };
    const progress = createProgress({ isTTY, columns: 40, write }, { quiet });
    progress.update("fetch", "fetching", 0);
    progress.update("fetch", "fetching", 1);
    progress.update("unpack", "unpacking something with a long name");
    progress.say("done");
    return text;
  };

  test("is one line that changes at a terminal, never wider than that", () => {
    const text = shown(true);
    expect(text).toContain("100%");
    expect(text.endsWith("isomorph: done\r\n")).toBe(true);
    for (const line of text.split("\r\x1b[K")) expect(line.trimEnd().length).toBeLessThan(40);
  });

  test("is a line for each step elsewhere, none of them when quiet", () => {
    const steps = [
      "isomorph: fetching",
      "isomorph: unpacking something with a long name",
      "isomorph: done",
      "",
    ];
    expect(shown(false).split("\n")).toEqual(steps);
    expect(shown(false, true)).toBe("isomorph: done\n");
  });
});

describe("a console without a terminal", () => {
  test("gets standard input, then Ctrl-D", async () => {
    const { code, stdout } = await isomorph(echo("--timeout", "6"), { input: "hi" });
    expect(stdout.toString()).toBe("ready\r\n<h><i><\x04>");
    expect(code).toBe(124);
  });

  test("gets nothing from an empty one, and the guest's end is the end", async () => {
    const { code, stdout, stderr } = await isomorph(echo(), { input: "q" });
    expect([code, stdout.toString(), stderr]).toEqual([0, "ready\r\n<q>", ""]);
  });

  test("loses nothing to a slow reader, in bounded memory", async () => {
    const run = commandLine("run", "--memory", "16M", "--stats", "--kernel", file("loud"));
    const script = `${shellWords(run)} 2>${shellWords([file("stats")])} | { sleep 3; wc -lc; }; cat ${shellWords([file("stats")])}`;
    const { stdout } = await runToEnd("bash", ["-c", script]);
    const [lines, bytes] = stdout.toString().trim().split(/\s+/).map(Number);
    expect([lines, bytes]).toEqual([400_000, 400_000 * 64]);
    const resident = Number(/resident bytes at most +(\d+)/.exec(stdout.toString())?.[1]);
    expect(resident).toBeLessThan(300 * 2 ** 20);
  });

  test("whose reader goes away does not keep the machine", async () => {
    const run = commandLine("run", "--memory", "16M", "--kernel", file("loud"));
    const script = `${shellWords(run)} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = await runToEnd("bash", ["-c", script]);
    expect(stdout.toString().split("\n")).toEqual(["x".repeat(63), "0", ""]);
  });

  test("a guest that crashes is an error that says why", async () => {
    const { code, stderr } = await isomorph(["run", "--memory", "16M", "--kernel", file("crash")]);
    expect(stderr).toMatch(/the guest has crashed: hart 0 traps without end/);
    expect(code).toBe(1);
  });

  test("--no-reboot ends with a reset, --timeout ends a guest that does not", async () => {
    const args = ["run", "--memory", "16M", "--kernel", file("reset")];
    const [once, always] = await Promise.all([
      isomorph([...args, "--no-reboot"]),
      isomorph([...args, "--timeout", "2"]),
    ]);
    expect([once.code, once.stderr]).toEqual([0, ""]);
    expect([always.code, always.stderr]).toEqual([
      124,
      "isomorph: the machine was stopped: --timeout of 2 s has passed\n",
    ]);
  });

  test("SIGTERM and SIGINT end it with their codes", async () => {
    for (const [signal, expected] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
    ] as const) {
      const { code, stderr } = await isomorph(echo(), {
        onoutput: (child, stdout) => {
          if (stdout.includes("ready")) child.kill(signal);
        },
      });
      expect([code, stderr]).toEqual([expected, `isomorph: stopped by ${signal}\n`]);
    }
  });
});

describe("a console at a terminal", () => {
  const inside = (args: readonly string[]): string =>
    `stty -g; ${shellWords(commandLine(...args))}; echo "code $?"; stty -g; echo end`;

  /** The terminal's settings before and after, and the exit code between. */
  const settings = (shown: string): [string | undefined, string | undefined, string | undefined] => {
    const states = shown.match(/[0-9a-f]+(:[0-9a-f]+){10,}/g) ?? [];
    return [states[0], states.at(-1), /code (\d+)/.exec(shown)?.[1]];
  };

  const ends: readonly (readonly [string, (terminal: TestTerminal) => void, string])[] = [
    ["the guest switches itself off", (terminal) => terminal.type("q"), "0"],
    ["the escape key and x", (terminal) => terminal.type("\x01x"), "0"],
    ["SIGTERM", (terminal) => killInside(terminal, "TERM"), "143"],
    ["SIGHUP", (terminal) => killInside(terminal, "HUP"), "129"],
  ];
  for (const [name, end, expected] of ends) {
    test(`is raw, and as it was after ${name}`, async () => {
      const terminal = new TestTerminal(inside(echo()));
      await terminal.see(/ready/);
      // In raw mode Ctrl-C and Return are bytes like others, and nothing is echoed by the terminal itself.
      terminal.type("\x03\r");
      await terminal.see("<\x03><\r>");
      end(terminal);
      await terminal.see(/end/);
      await terminal.end();
      const [before, after, code] = settings(terminal.shown);
      expect(after).toBe(before);
      expect(code).toBe(expected);
    });
  }

  test("is as it was after a failure inside the command", async () => {
    const program = `
      import { RawTerminal } from ${JSON.stringify(new URL("../src/terminal/raw-terminal.ts", import.meta.url).href)};
      new RawTerminal(process.stdin, process.stdout).enter();
      process.stdout.write("raw\\n");
      setTimeout(() => { throw new Error("on purpose"); }, 300);`;
    const command = shellWords([process.execPath, "--input-type=module", "-e", program]);
    const terminal = new TestTerminal(`stty -g; ${command}; echo "code $?"; stty -g; echo end`);
    await terminal.see(/on purpose.*end/s);
    await terminal.end();
    const [before, after, code] = settings(terminal.shown);
    expect([after, code]).toEqual([before, "1"]);
  });

  test("is as it was while the command is stopped, and raw again when it goes on", async () => {
    const terminal = new TestTerminal(shellWords(commandLine(...echo())));
    await terminal.see(/ready/);
    const tty = await ttyOf(terminal);
    const isRaw = async (): Promise<boolean> =>
      (await runToEnd("stty", ["-F", tty, "-a"])).stdout.toString().includes("-icanon");
    expect(await isRaw()).toBe(true);
    killInside(terminal, "TSTP");
    await expect.poll(isRaw, { timeout: 10_000 }).toBe(false);
    killInside(terminal, "CONT");
    await expect.poll(isRaw, { timeout: 10_000 }).toBe(true);
    terminal.type("q");
    expect(await terminal.end()).toBe(0);
  });

  test("shows help, and sends the escape key itself when it comes twice", async () => {
    const terminal = new TestTerminal(shellWords(commandLine(...echo("--escape", "^T"))));
    await terminal.see(/ready/);
    terminal.type("\x14h");
    await terminal.see(/Ctrl-T x +leave.*Ctrl-T Ctrl-T/s);
    terminal.type("\x14s");
    await terminal.see(/million instructions/);
    terminal.type("\x14\x14\x01");
    await terminal.see("<\x14><\x01>");
    terminal.type("\x14x");
    expect(await terminal.end()).toBe(0);
  });

  test("--no-tty leaves the terminal alone", async () => {
    const terminal = new TestTerminal(shellWords(commandLine(...echo("--no-tty"))));
    await terminal.see(/ready/);
    terminal.type("q\n");
    expect(await terminal.end()).toBe(0);
  });
});

/** The command in a terminal: the only Node below script(1) that runs main.ts. */
async function childOf(terminal: TestTerminal): Promise<number> {
  const { stdout } = await runToEnd("ps", ["-e", "-o", "pid=,ppid=,comm="]);
  const processes = stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  let family = new Set([terminal.process.pid]);
  for (;;) {
    const larger = new Set([
      ...family,
      ...processes.filter(([, parent]) => family.has(Number(parent))).map(([pid]) => Number(pid)),
    ]);
    if (larger.size === family.size) break;
    family = larger;
  }
  const found = processes.find(
    ([pid, , name]) => family.has(Number(pid)) && /node|MainThread/.test(name ?? ""),
  );
  if (found === undefined) throw new Error(`no command runs in the terminal:\n${terminal.shown}`);
  return Number(found[0]);
}

async function killInside(terminal: TestTerminal, signal: string): Promise<void> {
  await runToEnd("kill", [`-${signal}`, `${await childOf(terminal)}`]);
}

async function ttyOf(terminal: TestTerminal): Promise<string> {
  const { stdout } = await runToEnd("ps", ["-o", "tty=", "-p", `${await childOf(terminal)}`]);
  return `/dev/${stdout.toString().trim()}`;
}

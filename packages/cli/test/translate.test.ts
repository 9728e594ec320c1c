/** `isomorph translate`, and `isomorph run --translations` with what it has written. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleWatch } from "../src/machine/console-watch.ts";
import { type Ended, isomorph, scratch } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";
import { busyGuest, echoGuest } from "./support/guests.ts";
import { testElf } from "./support/test-elf.ts";

const { folder, env } = scratch();
const file = (name: string): string => join(folder, name);
const size = (name: string): number => statSync(file(name)).size;

beforeAll(() => {
  mkdirSync(file("folder"));
  writeFileSync(file("busy"), busyGuest());
  writeFileSync(file("staying"), busyGuest("stay"));
  writeFileSync(file("echo"), echoGuest());
  writeFileSync(file("foreign"), "#!/bin/sh\n");
  writeFileSync(file("large"), Buffer.alloc(2 << 20));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const translate = (output: string, ...args: readonly string[]): Promise<Ended> =>
  isomorph(["translate", "--output", file(output), "-m", "16M", "--translate-after", "200", ...args], {
    env,
    seconds: 60,
  });

async function counters(...args: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const ended = await isomorph(["run", "-m", "16M", "--counters", file("counters.json"), ...args], { env });
  expect([ended.code, ended.stdout.toString(), ended.stderr]).toEqual([0, "done\r\n", ""]);
  return JSON.parse(readFileSync(file("counters.json"), "utf8"));
}

describe("what a machine has learned", () => {
  test("is written at the guest's end, lets another one interpret less, and is added to", async () => {
    const args = ["--clock", "instructions", file("busy")];
    const ended = await translate("first", ...args);
    expect([ended.code, ended.stdout.toString()]).toEqual([0, "done\r\n"]);
    expect(ended.stderr).toMatch(/^isomorph: .*first: \d+ bytes written\n$/);
    const without = await counters(...args);
    const withThem = await counters("--translations", file("first"), ...args);
    expect(withThem["vm.instructions"]).toBe(without["vm.instructions"]);
    expect(withThem["cpu.instructionsInterpreted"]).toBeLessThan(
      0.4 * (without["cpu.instructionsInterpreted"] as number),
    );
    const before = size("first");
    const again = await translate("first", "--until", "ready", "--kernel", file("echo"));
    expect([again.code, again.stdout.toString()]).toEqual([0, "ready\r\n"]);
    expect(again.stderr).toMatch(new RegExp(`first: \\d+ bytes now, ${before} before\n$`));
    expect(size("first")).toBeGreaterThanOrEqual(before);
    expect((await counters("--translations", file("first"), ...args))["cpu.instructionsInterpreted"]).toBe(
      withThem["cpu.instructionsInterpreted"],
    );
  });

  test("is written when enough has been executed, when time is over, and after a signal", async () => {
    const kernel = ["--kernel", file("staying")];
    const byCount = await translate("by-count", "--instructions", "1000000", ...kernel);
    expect([byCount.code, size("by-count") > 50]).toEqual([0, true]);
    const byTime = await translate("by-time", "--for", "2", ...kernel);
    expect([byTime.code, byTime.stdout.toString(), size("by-time") > 100]).toEqual([0, "done\r\n", true]);
    const stopped = await isomorph(
      ["translate", "-o", file("by-signal"), "-m", "16M", "--translate-after", "200", ...kernel],
      {
        env,
        seconds: 60,
        onoutput: (child, stdout) => {
          if (stdout.includes("done")) child.kill("SIGINT");
        },
      },
    );
    expect([stopped.code, size("by-signal") > 100]).toEqual([130, true]);
    expect(stopped.stderr).toMatch(/by-signal: \d+ bytes written/);
    expect(readdirSync(folder).filter((name) => /^by-.*\.\d+$/.test(name))).toEqual([]);
  });

  test("is written too where the guest ends before its console shows the text; then that is a failure", async () => {
    const ended = await translate("not-shown", "--until", "login:", file("busy"));
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/has ended before it showed "login:"; its console's last lines:\n {2}done/);
    expect(size("not-shown")).toBeGreaterThan(100);
  });

  test("is for the built-in guest and test programs as well", async () => {
    await translate("first", file("busy"));
    const program = file("program");
    const source = "la t0, tohost; li t1, 1; sd t1, 0(t0); 2: j 2b; .balign 64; tohost: .dword 0";
    writeFileSync(program, testElf(source));
    for (const what of [["--demo"], ["--htif", program]]) {
      const ended = await isomorph(["run", ...what, "--translations", file("first")], { env });
      expect(ended.code).toBe(0);
    }
  });
});

describe("isomorph start", () => {
  test(
    "keeps what it has learned in the cache, puts it to the test at times, and does without where it is damaged",
    async () => {
      const guest = await debianGuest();
      const cache = file("cache");
      mkdirSync(join(cache, "isomorph"), { recursive: true });
      const guests = dirname(dirname(dirname(guest.kernel)));
      symlinkSync(guests, join(cache, "isomorph", basename(guests)));
      const kept = join(cache, "isomorph", "translations");
      const start = async (): Promise<number> => {
        const ended = await isomorph(
          ["start", "--ephemeral", "--exec", "echo up", "--counters", file("start.json")],
          { env: { ...env, XDG_CACHE_HOME: cache }, seconds: 100 },
        );
        expect([ended.code, ended.stdout.toString()]).toEqual([0, "up\n"]);
        return JSON.parse(readFileSync(file("start.json"), "utf8"))["cpu.instructionsInterpreted"];
      };
      writeFileSync(kept, "damaged");
      const first = await start();
      expect(statSync(kept).size).toBeGreaterThan(2000);
      expect(await start()).toBeLessThan(0.8 * first);
      const remembered = readFileSync(kept);
      expect(remembered.at(-1)).toBe(2);
      remembered[remembered.length - 1] = 7;
      writeFileSync(kept, remembered);
      expect(await start()).toBeGreaterThan(0.9 * first);
      expect(readFileSync(kept).at(-1)).toBe(0);
    },
    BUILD_SECONDS * 1000,
  );
});

describe("the console", () => {
  test.each([
    [["log", "in: "], "login:", true],
    [["l", "o", "g", "in", ":"], "login:", true],
    [["logi", "login", "login"], "login:", false],
    [["größe"], "ß", true],
    [["a"], "a", true],
  ])("%j shows %s: %s", (parts, text, isFound) => {
    let found = 0;
    const watch = new ConsoleWatch(text, () => found++);
    for (const part of [...parts, ...parts]) watch.add(Buffer.from(part));
    expect([watch.isFound, found]).toEqual([isFound, isFound ? 1 : 0]);
  });
});

describe("refused", () => {
  const kernel = (): readonly string[] => ["--kernel", file("busy")];
  const refusals: readonly (readonly [readonly string[], RegExp, number])[] = [
    [["translate", ...kernel()], /required option.*--output/, 2],
    [["translate", "-o", file("x")], /nothing to run/, 2],
    [["translate", "-o", file("x"), "--translate-after", "0", ...kernel()], /nothing to learn/, 2],
    [["translate", "-o", file("x"), "--for", "soon", ...kernel()], /number of seconds/, 2],
    [["translate", "-o", file("folder"), ...kernel()], /--output .*folder: is a directory/, 1],
    [["translate", "-o", join(folder, "absent", "x"), ...kernel()], /--output .*no such file/, 1],
    [
      ["translate", "-o", file("foreign"), ...kernel()],
      /--output .*foreign: translations do not begin with.*isomorph translate makes such files/,
      1,
    ],
    [["run", "--translations", file("absent"), ...kernel()], /--translations .*absent: no such file/, 1],
    [
      ["run", "--translations", file("foreign"), ...kernel()],
      /--translations .*foreign: translations do not/,
      1,
    ],
    [["run", "--translations", file("large"), ...kernel()], /--translations .*large: is larger than any/, 1],
  ];
  test.each(refusals)("isomorph %s", async (args, message, code) => {
    const ended = await isomorph(args, { env, seconds: 25 });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    expect({ code: ended.code, stdout: ended.stdout.toString() }).toEqual({ code, stdout: "" });
    expect(readFileSync(file("foreign"), "utf8")).toBe("#!/bin/sh\n");
    expect(existsSync(file("x"))).toBe(false);
  });
});

/** `--profile` and `--counters`: on Debian, where the guest's kernel is the judge, and as options among others. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROCESSOR_COUNTERS } from "@isomorph/cpu";
import { describeCounter } from "@isomorph/hypervisor";
import { readSymbols } from "@isomorph/hypervisor/symbols";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseCountersFile, parseSymbols } from "../src/command/values.ts";
import type { DebianGuest } from "../src/guest/debian.ts";
import { isomorph, scratch } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";
import { echoGuest } from "./support/guests.ts";

const { folder, env } = scratch();
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  mkdirSync(file("folder"));
  writeFileSync(file("kernel"), echoGuest());
  writeFileSync(file("text"), "no symbols here");
  writeFileSync(file("hidden"), "0000000000000000 T _start\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("Debian, looked into while it boots", () => {
  let guest: DebianGuest;
  let report = "";
  let shown = "";
  let counters: Record<string, number> = {};

  beforeAll(async () => {
    guest = await debianGuest();
    const command = `
      awk '/^pgfault/ { print "pgfault", $2 }' /proc/vmstat
      awk '/riscv-timer/ { print "timer", $2 }' /proc/interrupts
      python3 -c 'sum(i * i for i in range(200000))'
      grep -v '\\[' /proc/kallsyms`;
    const ended = await isomorph(
      [
        ...["run", "--kernel", guest.kernel, "--initrd", guest.initrd, "--disk", `${guest.root},overlay`],
        ...["--append", "console=ttyS0 quiet cryptomgr.notests root=/dev/vda rw", "--exec", command],
        ...["--profile", file("boot.folded"), "--counters", file("counters.json")],
      ],
      { env, seconds: 200 },
    );
    expect(ended.code).toBe(0);
    report = ended.stderr;
    shown = ended.stdout.toString();
    counters = JSON.parse(readFileSync(file("counters.json"), "utf8"));
  }, BUILD_SECONDS * 1000);

  test("the names in the kernel's image are those that the kernel shows", () => {
    const lines = shown.split("\n").flatMap((line) => {
      const [, digits, type, name] = /^([0-9a-f]{16}) (\w) (\S+)$/.exec(line) ?? [];
      return digits !== undefined && "tTwW".includes(type ?? "") && name?.startsWith("$") === false
        ? [{ address: BigInt(`0x${digits}`), name }]
        : [];
    });
    expect(lines.length).toBeGreaterThan(40_000);
    const symbols = readSymbols(new Uint8Array(readFileSync(guest.kernel)));
    expect([...symbols].map(({ address }) => address)).toEqual(
      [...new Set(lines.map(({ address }) => address))].sort((a, b) => (a < b ? -1 : 1)),
    );
    const names = new Set(lines.map(({ name, address }) => `${address} ${name}`));
    expect([...symbols].filter(({ name, address }) => !names.has(`${address} ${name}`))).toEqual([]);
    // What the guest shows is a file of symbols as well.
    expect([...readSymbols(new TextEncoder().encode(shown.slice(shown.indexOf("ffffffff"))))]).toEqual([
      ...symbols,
    ]);
  });

  test("counters agree with what the kernel counts", () => {
    const faults = Number(/^pgfault (\d+)$/m.exec(shown)?.[1]);
    const ticks = Number(/^timer (\d+)$/m.exec(shown)?.[1]);
    // The guest went on after it was asked.
    expect(counters["cpu.trapsPageFault"]).toBeGreaterThanOrEqual(faults);
    expect(counters["cpu.trapsPageFault"]).toBeLessThan(faults * 2 + 2000);
    expect(counters["cpu.interruptsTimer"]).toBeGreaterThanOrEqual(ticks);
    const all = counters as Readonly<Record<string, number>> & { [K in string]: number };
    expect(all["cpu.instructionsInterpreted"]! + all["cpu.instructionsInRegions"]!).toBe(
      all["cpu.instructions"],
    );
    expect(all["cpu.instructionsInRegions"]).toBeGreaterThan(all["cpu.instructionsInterpreted"]!);
    expect([all["cpu.mmioReads"], all["cpu.mmioWrites"]]).toEqual([all["bus.reads"], all["bus.writes"]]);
    expect(all["cpu.trapsUserCall"]).toBeGreaterThan(1000);
    expect(all["cpu.tlbRefills"]).toBeLessThanOrEqual(
      all["cpu.tlbWalks"]! + all["cpu.tlbFetchMisses"]! + all["cpu.tlbLoadMisses"]!,
    );
    expect(all["cpu.translationMilliseconds"]).toBeGreaterThan(0);
    for (const name of Object.keys(PROCESSOR_COUNTERS)) expect(all[`cpu.${name}`]).toBeGreaterThanOrEqual(0);
  });

  test("the profile's stacks begin where the kernel's do, and every name in them is one of its own", () => {
    const symbols = readSymbols(new Uint8Array(readFileSync(guest.kernel)));
    const roots =
      /^(ret_from_fork\w*|_start_kernel|handle_exception|ret_from_exception|secondary_start_sbi)$/;
    const time = { kernel: 0, user: 0, rooted: 0, deep: 0 };
    const unknown = new Set<string>();
    for (const line of readFileSync(file("boot.folded"), "utf8").trimEnd().split("\n")) {
      const [, stack = "", digits] = /^(\S+) (\d+)$/.exec(line) ?? [];
      const microseconds = Number(digits);
      expect(microseconds).toBeGreaterThan(0);
      const [space, ...names] = stack.split(";");
      if (space?.startsWith("user") === true) {
        time.user += microseconds;
        continue;
      }
      expect(space).toBe("kernel");
      time.kernel += microseconds;
      if (roots.test(names[0] ?? "")) time.rooted += microseconds;
      if (names.length > 4) time.deep += microseconds;
      for (const name of names) {
        if (!/^\[\w+\]$/.test(name) && symbols.named(name) === undefined) unknown.add(name);
      }
    }
    expect([...unknown]).toEqual([]);
    expect(time.rooted).toBeGreaterThan(0.9 * time.kernel);
    expect(time.deep).toBeGreaterThan(0.7 * time.kernel);
    expect(time.user).toBeGreaterThan(0);
    const folded = readFileSync(file("boot.folded"), "utf8");
    // The start of every Linux, the first process, a system call, as their sources have them.
    expect(folded).toMatch(/^kernel;_start_kernel;start_kernel;/m);
    expect(folded).toMatch(/^kernel;ret_from_fork\w*;kernel_init;kernel_init_freeable;.*do_one_initcall;/m);
    expect(folded).toMatch(/^kernel;handle_exception;do_trap_ecall_u;/m);
  });

  test("a table says what took most", () => {
    const [head, columns, ...rows] = report.trimEnd().split("\n");
    expect(head).toMatch(/^profile: \d+ samples of \d+\.\d\d s running in \d+\.\d\d s, in .*boot\.folded$/);
    expect(columns).toMatch(/^ *self s +self +total +in +function$/);
    expect(rows).toHaveLength(20);
    const seconds = rows.map((row) =>
      Number(/^ *([\d.]+) +[\d.]+% +[\d.]+% +(kernel|user) +\S+$/.exec(row)?.[1]),
    );
    expect(seconds).toEqual(seconds.toSorted((a, b) => b - a));
  });
});

describe("files and tables", () => {
  test("a Chrome profile, and the counters with units, of the built-in guest", async () => {
    const { code, stderr, stdout } = await isomorph(
      ["run", "--demo", "--profile", file("demo.cpuprofile"), "--counters"],
      { env },
    );
    expect(code).toBe(0);
    expect(stdout.toString()).toContain("\n");
    const { nodes, samples } = JSON.parse(readFileSync(file("demo.cpuprofile"), "utf8"));
    expect([nodes[0].callFrame.functionName, Array.isArray(samples)]).toEqual(["(root)", true]);
    const lines = stderr.split("\n");
    const table = lines
      .slice(lines.findIndex((line) => line.startsWith("counter ")) + 1)
      .filter((line) => line !== "");
    expect(table.length).toBeGreaterThan(15);
    for (const line of table) {
      const [, name = "", unit = ""] = /^(\S+) +[\d.]+ {2}(\S+(?: \S+)*) {2,}\S/.exec(line) ?? [];
      expect([line, describeCounter(name)?.unit]).toEqual([line, unit]);
    }
  });

  test("a test program in M-mode: firmware", async () => {
    const { testElf } = await import("./support/test-elf.ts");
    const source = `
      li s0, 30000000
      1: addi s0, s0, -1; bnez s0, 1b
      la t0, tohost; li t1, 1; sd t1, 0(t0)
      2: j 2b
      .balign 64
      tohost: .dword 0`;
    writeFileSync(file("program"), testElf(source));
    const { code, stderr } = await isomorph(["run", "--htif", "--profile", file("p.txt"), file("program")], {
      env,
    });
    expect([code, readFileSync(file("p.txt"), "utf8")]).toEqual([
      0,
      expect.stringMatching(/^firmware;\[firmware\] \d+\n$/),
    ]);
    expect(stderr).toMatch(/100\.0% +100\.0% +firmware +\[firmware\]/);
  });
});

describe("options", () => {
  test("symbols with and without an address; files for counters", () => {
    expect(parseSymbols("vmlinux")).toEqual({ path: "vmlinux", base: 0n });
    expect(parseSymbols("a@b@0x1000")).toEqual({ path: "a@b", base: 0x1000n });
    expect(parseSymbols("a@1000")).toEqual({ path: "a@1000", base: 0n });
    expect(() => parseSymbols("")).toThrow(/FILE@ADDRESS/);
    expect(parseCountersFile("x.json")).toBe("x.json");
    expect(() => parseCountersFile("program")).toThrow(/FILE\.json, or nothing/);
  });

  const refusals: readonly (readonly [readonly string[], RegExp, number])[] = [
    [["--symbols", file("kernel")], /--symbols.*needs --profile/, 2],
    [["--counters", "program"], /'program' is invalid.*FILE\.json/, 2],
    [["--profile", join(folder, "absent", "x")], /--profile .*x: no such file/, 1],
    [["--profile", file("folder")], /--profile .*folder: is a directory/, 1],
    [["--counters", join(folder, "absent", "x.json")], /--counters .*no such file/, 1],
    [["--profile", file("p"), "--symbols", file("absent")], /--symbols .*absent: no such file/, 1],
    [
      ["--profile", file("p"), "--symbols", file("text")],
      /--symbols .*text: is of no known format.*System\.map/,
      1,
    ],
    [["--profile", file("p"), "--symbols", file("hidden")], /--symbols .*hidden: has no symbols of code/, 1],
    [["--profile", file("p"), "--symbols", process.execPath], /another processor/, 1],
  ];
  test.each(refusals)("isomorph run %s", async (args, message, code) => {
    const ended = await isomorph(["run", "--kernel", file("kernel"), ...args], { env, seconds: 25 });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    expect({ code: ended.code, stdout: ended.stdout.toString() }).toEqual({ code, stdout: "" });
  });
});

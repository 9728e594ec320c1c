import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  integer,
  parseDisk,
  parseEscapeKey,
  parseMemory,
  parseSeconds,
  parseSeed,
  parseSize,
} from "../src/command/values.ts";
import { isomorph, scratch } from "./support/command.ts";
import { echoGuest } from "./support/guests.ts";

const { folder, env } = scratch();
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  writeFileSync(file("empty"), "");
  writeFileSync(file("text"), "just text, no whole number of sectors\n".repeat(100));
  writeFileSync(file("kernel"), echoGuest());
  writeFileSync(file("cut"), echoGuest().subarray(0, 40));
  writeFileSync(file("disk"), new Uint8Array(4096));
  for (const name of ["huge", "huge-disk"]) {
    writeFileSync(file(name), "");
    truncateSync(file(name), 64 * 2 ** 30);
  }
  mkdirSync(file("folder"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("values", () => {
  test("sizes are bytes, with MiB where no unit is given", () => {
    expect(["512M", "1G", "1.5GiB", "64", "8k", "4096B"].map(parseSize)).toEqual([
      512 * 2 ** 20,
      2 ** 30,
      1.5 * 2 ** 30,
      64 * 2 ** 20,
      8192,
      4096,
    ]);
    for (const wrong of ["", "0", "-1", "1T", "M", "1.0.0", "1e3", "0x10", "1 2"])
      expect(() => parseSize(wrong)).toThrow(/512M/);
  });

  test("memory is whole pages within what a machine has", () => {
    expect(parseMemory("1G")).toBe(2 ** 30);
    expect(() => parseMemory("5000B")).toThrow(/4K/);
    expect(() => parseMemory("4K")).toThrow(/64K/);
    expect(parseMemory("6G")).toBe(6 * 2 ** 30);
    expect(() => parseMemory("16G")).toThrow(/less than 16G/);
  });

  test("a disk's flags stand at the end, so that its name may hold commas", () => {
    expect(parseDisk("a,b.img")).toEqual({ path: "a,b.img", readOnly: false, overlay: false });
    expect(parseDisk("a,b.img,readonly")).toEqual({ path: "a,b.img", readOnly: true, overlay: false });
    expect(parseDisk("x,overlay")).toEqual({ path: "x", readOnly: false, overlay: true });
    for (const wrong of ["", ",readonly", "x,readonly,overlay"]) expect(() => parseDisk(wrong)).toThrow();
  });

  test("escape keys, numbers, seconds, seeds", () => {
    expect(["^A", "^]", "ctrl-t", "none"].map(parseEscapeKey)).toEqual([1, 0x1d, 0x14, undefined]);
    for (const wrong of ["A", "^", "^1", "ctrl-"]) expect(() => parseEscapeKey(wrong)).toThrow();
    expect(integer(1, 8)("8")).toBe(8);
    for (const wrong of ["0", "9", "1.5", "x", ""]) expect(() => integer(1, 8)(wrong)).toThrow(/from 1 to 8/);
    expect(parseSeconds("0.5")).toBe(0.5);
    for (const wrong of ["0", "-1", "soon", "1e9"]) expect(() => parseSeconds(wrong)).toThrow();
    expect([...parseSeed("00ff")]).toEqual([0, 255]);
    for (const wrong of ["", "0", "0g", "00".repeat(65)]) expect(() => parseSeed(wrong)).toThrow();
  });
});

describe("help and version", () => {
  test("go to standard output and end with 0", async () => {
    const [help, run, version] = await Promise.all([
      isomorph(["--help"]),
      isomorph(["run", "--help"]),
      isomorph(["--version"]),
    ]);
    expect([help.code, run.code, version.code]).toEqual([0, 0, 0]);
    expect(help.stdout.toString()).toMatch(/start.*run.*guest/s);
    for (const option of ["--kernel", "--disk", "--exec", "--htif", "--signature", "--timeout"]) {
      expect(run.stdout.toString()).toContain(option);
    }
    expect(version.stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

/** Arguments, what the message must name, and the exit code. */
const refusals: readonly (readonly [readonly string[], RegExp, number])[] = [
  [[], /Usage: isomorph/, 2],
  [["strat"], /unknown command 'strat'.*start/s, 2],
  [["run"], /nothing to run: give --kernel/, 2],
  [["run", "--kernle", "x"], /unknown option '--kernle'.*--kernel/s, 2],
  [["run", "--memory", "lots"], /'lots' is invalid.*512M/, 2],
  [["run", "--harts", "9"], /'9' is invalid.*1 to 8/, 2],
  [["run", "--transport", "usb"], /'usb' is invalid.*pci, mmio/, 2],
  [["run", "--timeout"], /argument missing/, 2],
  [["run", "a", "b"], /too many arguments/, 2],
  [["run", "--demo", "--initrd", "x"], /--demo.*leave out --initrd/, 2],
  [["run", "--htif"], /--htif.*give its ELF file/, 2],
  [["run", "--signature", "x", "y"], /--signature.*needs --htif/, 2],
  [["run", "--kernel", "a", "b"], /two kernels/, 2],
  [["run", "--firmware", "a", "--exec", "b"], /--exec.*--kernel/, 2],
  [["start", "--fresh", "--ephemeral"], /one of them/, 2],
  [["start", "--systemd", "--exec", "x"], /leave --systemd out/, 2],
  [["guest", "build", "fedora"], /"fedora".*debian/, 2],
  [["run", "--kernel", file("absent")], /--kernel .*absent: no such file/, 1],
  [["run", "--kernel", file("folder")], /is a directory/, 1],
  [["run", "--kernel", file("empty")], /empty: the kernel is empty/, 1],
  [["run", "--kernel", file("text")], /text: the kernel is no format/, 1],
  [["run", "--kernel", file("cut")], /cut: the kernel/, 1],
  [["run", "--kernel", process.execPath], /the kernel is an ELF file for/, 1],
  [["run", "--kernel", file("huge")], /does not fit into guest memory.*--memory/, 1],
  [["run", "--kernel", "/dev/zero", "--memory", "16M"], /does not fit into guest memory/, 1],
  [["run", "--kernel", file("kernel"), "--initrd", file("empty")], /empty: the initrd is empty/, 1],
  [["run", "--kernel", file("kernel"), "--initrd", file("kernel")], /exchanged/, 1],
  [["run", "--kernel", file("kernel"), "--initrd", file("huge")], /does not fit/, 1],
  [["run", "--kernel", file("kernel"), "--disk", file("absent")], /--disk .*no such file/, 1],
  [["run", "--kernel", file("kernel"), "--disk", `${file("disk")},raed`], /"raed".*readonly and overlay/, 1],
  [["run", "--kernel", file("kernel"), "--disk", file("empty")], /is empty/, 1],
  [["run", "--kernel", file("kernel"), "--disk", file("text")], /512/, 1],
  [["run", "--kernel", file("kernel"), "--disk", file("folder")], /is a directory/, 1],
  [["run", "--kernel", file("kernel"), "--exec", "x", "--append", "init=/bin/sh"], /init=\/bin\/sh/, 2],
  [["run", "--kernel", file("kernel"), "--exec", "x", "--append", "y".repeat(1000)], /1000 characters/, 2],
];

describe("what cannot be is refused with a reason, a way out, and a code other than 0", () => {
  for (const [args, message, code] of refusals) {
    const shown = args.map((arg) => arg.replace(`${folder}/`, "").slice(0, 30)).join(" ");
    test(`isomorph ${shown}`, async () => {
      const ended = await isomorph(args, { env, seconds: 25 });
      expect(ended.stderr).toMatch(message);
      expect(ended.stderr).not.toMatch(/\n\s+at /);
      expect({ code: ended.code, stdout: ended.stdout.toString() }).toEqual({ code, stdout: "" });
    });
  }

  test("--verbose adds where it came from", async () => {
    const ended = await isomorph(["run", "--verbose", "--kernel", file("empty")]);
    expect(ended.stderr).toMatch(/ERR_KERNEL_EMPTY/);
    expect(ended.code).toBe(1);
  });
});

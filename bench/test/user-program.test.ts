import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { compile, targets } from "../src/cpu/compile.ts";
import { AddressSpace } from "../src/user/address-space.ts";
import { readExecutable } from "../src/user/executable.ts";
import { LinuxProgram } from "../src/user/linux-program.ts";
import { parseUserOptions } from "../src/user/options.ts";
import { userPrograms } from "../src/user/programs.ts";

const folder = mkdtempSync(join(tmpdir(), "isomorph-user-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const guests = fileURLToPath(new URL("../guests", import.meta.url));

/** Little work for each program. */
const SMALL: Readonly<Record<string, string>> = {
  coremark: "20",
  dhrystone: "10",
  sort: "1",
  sha256: "1",
  bytecode: "2",
  fib: "20",
  double: "10",
};

function run(file: Uint8Array, args: readonly string[]): { status: number; output: string } {
  let output = "";
  const program = new LinuxProgram({
    file,
    args,
    memorySize: 64 << 20,
    write: (_, bytes) => {
      output += new TextDecoder().decode(bytes.slice());
    },
  });
  try {
    return { status: program.run(), output };
  } finally {
    program.close();
  }
}

test.each(userPrograms)(
  "$name prints what it prints under qemu-riscv64",
  { timeout: 120_000 },
  async (program) => {
    const output = join(folder, program.name);
    await compile(targets.riscv64, output, [join(guests, program.source), "-lm"]);
    const args = [output, SMALL[program.name] as string];
    const theirs = execFileSync("qemu-riscv64", args, { encoding: "utf8" });
    expect(theirs).toContain("@@ result");
    expect(run(readFileSync(output), args)).toEqual({ status: 0, output: theirs });
  },
);

test("a program without its argument says so and exits with 2", async () => {
  const output = join(folder, "fib-alone");
  await compile(targets.riscv64, output, [join(guests, "user/fib.c")]);
  expect(run(readFileSync(output), ["fib"])).toEqual({ status: 2, output: "usage: fib WORK\n" });
});

test("what is no static program for riscv64 is refused", () => {
  const code = "ERR_EXECUTABLE";
  expect(() => readExecutable(new Uint8Array(10))).toThrow(expect.objectContaining({ code }));
  expect(() => readExecutable(readFileSync(process.execPath))).toThrow(expect.objectContaining({ code }));
});

describe("the address space", () => {
  const memory = {
    view: (_: number, length: number) => new Uint8Array(length),
    markDirty() {},
  } as unknown as ConstructorParameters<typeof AddressSpace>[0]["memory"];
  const space = (): AddressSpace => new AddressSpace({ memory, heap: 0x10001, limit: 0x40000 });

  test("maps from the top, into gaps first, down to the break", () => {
    const at = space();
    expect([at.map(1), at.map(0x3000), at.map(0x1000)]).toEqual([0x3f000, 0x3c000, 0x3b000]);
    at.unmap(0x3d000, 0x1000);
    expect([at.map(0x2000), at.map(0x1000), at.map(0x1000)]).toEqual([0x39000, 0x3d000, 0x38000]);
    expect([at.map(0x40000), at.map(0), at.map(-4096)]).toEqual([undefined, undefined, undefined]);
  });

  test("moves the break between the heap's start and the lowest mapping", () => {
    const at = space();
    expect([at.moveBreak(0), at.moveBreak(0x12345), at.moveBreak(0x10fff)]).toEqual([
      0x11000, 0x12345, 0x12345,
    ]);
    at.map(0x1000);
    expect([at.moveBreak(0x3f000), at.moveBreak(0x3f001)]).toEqual([0x3f000, 0x3f000]);
  });
});

test("the command line has defaults, and says what is wrong", () => {
  expect(parseUserOptions([], {})).toMatchObject({
    rounds: 5,
    qemu: "qemu-riscv64",
    programs: userPrograms,
  });
  expect(parseUserOptions(["--help"], {})).toBeUndefined();
  expect(parseUserOptions(["--program", "fib,sort"], { QEMU_USER: "q" })).toMatchObject({ qemu: "q" });
  expect(() => parseUserOptions(["--program", "nonsense"], {})).toThrow("no program nonsense");
  expect(() => parseUserOptions(["--rounds", "0"], {})).toThrow("--rounds");
});

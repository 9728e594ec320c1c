/** `isomorph disasm` against objdump, on the guest's own programs; and as a command among others. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DebianGuest } from "../src/guest/debian.ts";
import { commandLine, isomorph, runToEnd, scratch } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";
import { echoGuest } from "./support/guests.ts";
import { type ListedInstruction, listedInstructions, objdump, objdumpRaw, tool } from "./support/objdump.ts";

const { folder, env } = scratch();
const file = (name: string): string => join(folder, name);
const SLOW = { timeout: 240_000 };
let guest: DebianGuest;

const SOURCE = `
  static __attribute__((noinline)) int inner(int a) { return a * 3; }
  __attribute__((noinline)) int outer(int a) { for (int i = 0; i < a; i++) a += inner(i); return a; }
  double number(double a) { return a * 2.5 + 1; }
  void _start(void) { outer(7); number(1); for (;;); }`;

beforeAll(async () => {
  guest = await debianGuest();
  const initrd = readFileSync(guest.initrd);
  const unpacked = spawnSync("cpio", ["-i", "-d", "--quiet", "--no-absolute-filenames", "*busybox*"], {
    cwd: folder,
    input: initrd,
  });
  if (unpacked.error !== undefined) throw unpacked.error;
  writeFileSync(file("a.c"), SOURCE);
  const freestanding = ["-O1", "-march=rv64gc", "-ffreestanding", "-nostdlib", "-static"];
  await tool("gcc", ...freestanding, "-o", file("a.elf"), file("a.c"));
  mkdirSync(file("folder"));
  writeFileSync(file("empty"), "");
  writeFileSync(file("text"), "just text");
  writeFileSync(file("cut.gz"), gzipSync("just text".repeat(9)).subarray(0, 20));
  writeFileSync(file("raw"), Uint8Array.of(0x13, 0, 0, 0, 0x01, 0, 0x73, 0x00, 0x50, 0x10, 0x82, 0x80, 0x7f));
}, BUILD_SECONDS * 1000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function disasm(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await isomorph(["disasm", ...args], { env, seconds: 200 });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.toString();
}

/** Where objdump's text differs from ours on purpose; each rule says why. */
function documentedDifference({ text: ours }: ListedInstruction, gnu: string): boolean {
  // objdump 2.40 shows the canonical c.nop as the c.addi that it is a case of, and names the defined illegal instruction.
  if (ours === "c.nop") return gnu === "c.addi zero,0";
  if (ours === ".2byte 0x0") return gnu === "c.unimp";
  // A shift by zero positions is a hint here; objdump has RV128's name for it.
  if (/^c\.(slli|srli|srai) \w+,0x0$/.test(ours)) return /^c\.(slli|srli|srai)64 \w+$/.test(gnu);
  // The empty set of a fence reads 0 in the assembler, `unknown` in objdump. `pause` is one of them.
  if (ours.startsWith("fence ")) return ours.replaceAll(",0", ",unknown") === gnu;
  // CSRs that the processor lacks (vector, AIA, hypervisor) go by number.
  const csr = /^(csr\w+ .*?)(0x[0-9a-f]+)(,.*)?$/.exec(ours);
  if (csr !== null) return gnu.startsWith(ours.slice(0, ours.indexOf("0x")));
  // The vector extension is objdump's alone.
  return /^\.4byte 0x/.test(ours) && /^v[a-z0-9.]+ /.test(gnu);
}

function compare(ours: readonly ListedInstruction[], gnu: readonly ListedInstruction[]): void {
  const theirs = new Map(gnu.map((one) => [one.address, one]));
  const differences: string[] = [];
  let same = 0;
  for (const one of ours) {
    const other = theirs.get(one.address);
    // Encodings for more than 32 bits, which no instruction has, objdump shows in one piece.
    if (other === undefined || other.bytes.length !== one.bytes.length) continue;
    if (one.bytes === other.bytes && (one.text === other.text || documentedDifference(one, other.text)))
      same++;
    else
      differences.push(`${one.address.toString(16)} ${one.bytes} ${one.text} | ${other.bytes} ${other.text}`);
  }
  expect(differences.slice(0, 10)).toEqual([]);
  expect(same).toBeGreaterThan(ours.length * 0.999);
}

describe("is what objdump shows", () => {
  test("of the guest's busybox, every instruction", SLOW, async () => {
    const busybox = (await runToEnd("find", [folder, "-name", "busybox", "-type", "f"])).stdout
      .toString()
      .trim();
    const [ours, gnu] = await Promise.all([disasm(busybox), objdump(busybox)]);
    const listed = listedInstructions(ours);
    expect(listed.length).toBeGreaterThan(300_000);
    expect(listed.length).toBe(gnu.length);
    compare(listed, gnu);
  });

  test(
    "of the guest's kernel: a megabyte at its start, one in its middle, and its init code",
    SLOW,
    async () => {
      const image = readFileSync(guest.kernel);
      const base = 0xffff_ffff_8000_0000n;
      for (const offset of [0x2000n, 0x60_0000n, 0xc0_0000n]) {
        const [start, size] = [base + offset, offset === 0xc0_0000n ? 0x5_0000n : 0x10_0000n];
        const args = ["--start", `0x${start.toString(16)}`, "--stop", `0x${(start + size).toString(16)}`];
        const code = image.subarray(Number(offset), Number(offset + size));
        const [ours, gnu] = await Promise.all([disasm(guest.kernel, ...args), objdumpRaw(code, start)]);
        compare(listedInstructions(ours), gnu);
      }
    },
  );

  test("labels, targets and addresses put together from two instructions: the same symbols", async () => {
    const ours = await disasm(file("a.elf"));
    const gnu = await tool("objdump", "-d", "-z", "-M", "no-aliases", file("a.elf"));
    const labels = (text: string): string[] =>
      [...text.matchAll(/^0*([0-9a-f]+ <\w+>):$/gm)].map(([, label]) => label as string);
    expect(labels(ours)).toEqual(labels(gnu));
    const theirs = new Map((await objdump(file("a.elf"))).map((one) => [one.address, one.places]));
    const listed = listedInstructions(ours);
    for (const { address, places } of listed) {
      if (places.length > 0) expect([address, places]).toEqual([address, theirs.get(address)]);
    }
    expect(listed.filter(({ places }) => places.length > 0).length).toBeGreaterThan(4);
  });
});

describe("what is shown", () => {
  test("one symbol; a range, from inside of one; raw code; a compressed kernel", SLOW, async () => {
    const all = listedInstructions(await disasm(file("a.elf")));
    const outer = await disasm(file("a.elf"), "--symbol", "outer");
    expect(outer).toMatch(/^.*a\.elf: ELF\n\n\.text:\n\n[0-9a-f]{8,} <outer>:\n/);
    expect(outer.match(/<\w+>:/g)).toEqual(["<outer>:"]);
    const listed = listedInstructions(outer);
    expect(all.join()).toContain(listed.join());
    const [second, , fourth] = listed.slice(1) as [ListedInstruction, ListedInstruction, ListedInstruction];
    const range = await disasm(
      file("a.elf"),
      "--start",
      `0x${second.address.toString(16)}`,
      "--stop",
      `${fourth.address}`,
    );
    expect(range).toMatch(/<outer\+0x[24]>:\n/);
    expect(listedInstructions(range)).toEqual(listed.slice(1, 3));

    expect(await disasm(file("raw"), "--origin", "0x80000000")).toBe(
      `${file("raw")}: raw code\n\nraw:\n` +
        "80000000:  00000013  addi zero, zero, 0\n80000004:  0001      c.nop\n80000006:  10500073  wfi\n" +
        "8000000a:  8082      c.jr ra\n8000000c:  7f        .byte 0x7f\n",
    );

    writeFileSync(file("kernel.gz"), gzipSync(readFileSync(guest.kernel), { level: 1 }));
    const idle = await disasm(file("kernel.gz"), "--symbol", "do_idle");
    expect(idle).toBe(
      (await disasm(guest.kernel, "--symbol", "do_idle")).replace(guest.kernel, file("kernel.gz")),
    );
    expect(idle).toMatch(/jalr ra, -?\d+\(ra\) # 0x[0-9a-f]{16} <\w+>/);
    const elsewhere = await disasm(guest.kernel, "--origin", "0x80200000", "--symbol", "do_idle");
    expect(elsewhere).toMatch(/^80[0-9a-f]{6} <do_idle>:$/m);
  });

  test("a kernel's whole text in little memory, for a reader that takes its time or goes", SLOW, async () => {
    const [program, ...args] = commandLine("disasm", guest.kernel) as [string, ...string[]];
    const options = { env: { ...process.env, NODE_OPTIONS: "--max-old-space-size=128" } };
    const child = spawn(program, args, options);
    let [lines, stderr] = [0, ""];
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    for await (const chunk of child.stdout)
      lines += (chunk as Buffer).toString("latin1").split("\n").length - 1;
    expect([stderr, child.exitCode ?? 0]).toEqual(["", 0]);
    expect(lines).toBeGreaterThan(3_000_000);

    const gone = await runToEnd("bash", [
      "-c",
      '"$@" | head -n 3; echo "$PIPESTATUS"',
      "-",
      program,
      ...args,
    ]);
    expect(gone.stdout.toString()).toBe(`${guest.kernel}: Linux Image\n\ntext:\n0\n`);
    expect(gone.stderr).toBe("");
  });
});

describe("what cannot be is refused with the file, the place and a way out", () => {
  const damaged = (name: string, change: (view: DataView) => void, length?: number): string => {
    const bytes = new Uint8Array(readFileSync(file("a.elf")));
    change(new DataView(bytes.buffer));
    writeFileSync(file(name), bytes.subarray(0, length));
    return file(name);
  };
  const cases: readonly (readonly [string, () => readonly string[], RegExp, number])[] = [
    ["nothing", () => [], /missing required argument 'file'/, 2],
    ["two ends", () => [file("a.elf"), "--symbol", "x", "--start", "0"], /leave out --start and --stop/, 2],
    [
      "stop below start",
      () => [file("a.elf"), "--start", "16", "--stop", "0x10"],
      /--stop 0x10 is not above --start 0x10/,
      2,
    ],
    ["no address", () => [file("a.elf"), "--start", "main"], /'main' is invalid.*0x80000000/, 2],
    ["an absent file", () => [file("absent")], /absent: no such file/, 1],
    ["a folder", () => [file("folder")], /folder: is not a regular file/, 1],
    ["an empty file", () => [file("empty")], /empty: is empty \(0 bytes\)/, 1],
    ["text", () => [file("text")], /text: is neither.*offset 0 reads 6a 75 73 74.*--origin/, 1],
    ["another processor's program", () => [process.execPath], /another processor.*expected riscv64/, 1],
    ["an absent symbol", () => [file("a.elf"), "--symbol", "oute"], /has no symbol oute; there is outer/, 1],
    [
      "symbols where there are none",
      () => [file("raw"), "--origin", "0", "--symbol", "x"],
      /has no symbols/,
      1,
    ],
    [
      "an empty range",
      () => [file("a.elf"), "--stop", "16"],
      /has no code from 0x0 to 0x10; its code lies between 0x10/,
      1,
    ],
    [
      "an ELF file cut short",
      () => [damaged("cut", () => {}, 600)],
      /cut: is cut short or damaged.*0x.*600 bytes/,
      1,
    ],
    [
      "headers far away",
      () => [damaged("far", (view) => view.setBigUint64(40, 1n << 50n, true))],
      /far: is cut short or damaged: the section headers at offsets 0x4000000000000/,
      1,
    ],
    ["damaged gzip", () => [file("cut.gz")], /cut\.gz: is gzip-compressed and damaged/, 1],
  ];
  test.each(cases)("%s", async (_, args, message, code) => {
    const ended = await isomorph(["disasm", ...args()], { env });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    expect({ code: ended.code, stdout: ended.stdout.toString() }).toEqual({ code, stdout: "" });
  });

  test("any bytes are shown or refused", async () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, index) => Math.imul(index + 1, 2654435761) >>> 24);
    writeFileSync(file("noise"), noise);
    const shown = listedInstructions(await disasm(file("noise"), "--origin", "0xfffffffffffff000"));
    expect(shown[0]?.address).toBe(2n ** 64n - 4096n);
    expect(shown.map(({ bytes }) => bytes.length / 2).reduce((a, b) => a + b)).toBe(4096);
    writeFileSync(file("echo"), echoGuest());
    expect(await disasm(file("echo"))).toMatch(/^.*: Linux Image\n\nimage:\n00000000: /);
  });

  test("--help has it all", async () => {
    const { code, stdout } = await isomorph(["disasm", "--help"]);
    expect(code).toBe(0);
    for (const option of ["--symbol", "--start", "--stop", "--origin"])
      expect(stdout.toString()).toContain(option);
  });
});

import { spawnSync } from "node:child_process";
import { rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openImage } from "../src/machine/files.ts";
import { isomorph, scratch } from "./support/command.ts";
import { rebootingGuest } from "./support/guests.ts";

const { folder } = scratch();
const file = (name: string): string => join(folder, name);
const LIMIT = 1 << 20;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a machine gets that asks now. */
async function given(source: Awaited<ReturnType<typeof openImage>>): Promise<number[]> {
  if (typeof source !== "function") throw new Error("no function");
  return [...(await source())];
}

describe("an image", () => {
  test("is read when it is opened, and again for each start after the first", async () => {
    writeFileSync(file("a"), Uint8Array.of(1, 2, 3));
    const image = await openImage(file("a"), "--kernel", LIMIT);
    rmSync(file("a"));
    expect(await given(image)).toEqual([1, 2, 3]);
    await expect(given(image)).rejects.toMatchObject({
      message: `--kernel ${file("a")}: the machine starts again and needs this file, which cannot be read: no such file`,
      exitCode: 1,
    });
    writeFileSync(file("b"), Uint8Array.of(4, 5));
    const again = await openImage(file("b"), "--initrd", LIMIT);
    for (let start = 0; start < 3; start++) expect(await given(again)).toEqual([4, 5]);
  });

  test.each([
    ["longer", () => writeFileSync(file("c"), Uint8Array.of(1, 2, 3))],
    ["of another time", () => utimesSync(file("c"), 1, 1)],
    ["too large", () => truncateSync(file("c"), LIMIT + 1)],
  ])("that is %s when a reset needs it is refused", async (_, change) => {
    writeFileSync(file("c"), Uint8Array.of(1, 2));
    const image = await openImage(file("c"), "--initrd", LIMIT);
    await given(image);
    change();
    await expect(given(image)).rejects.toThrow(
      /^--initrd .*\/c: the machine starts again and needs this file, which (has changed since|cannot be read)/,
    );
  });

  test("from a pipe is kept, as it comes only once", async () => {
    spawnSync("mkfifo", [file("pipe")]);
    const writing = import("node:fs/promises").then(({ writeFile }) =>
      writeFile(file("pipe"), Uint8Array.of(7)),
    );
    expect(await openImage(file("pipe"), "--kernel", LIMIT)).toEqual(Uint8Array.of(7));
    await writing;
  });
});

test("a guest whose kernel file goes away goes on until it resets; then the command names the file", async () => {
  writeFileSync(file("kernel"), rebootingGuest());
  const { code, stdout, stderr } = await isomorph(["run", "--kernel", file("kernel"), "--memory", "16M"], {
    input: null,
    seconds: 60,
    onoutput: (_, shown) => {
      if (shown.split("up").length > 4) rmSync(file("kernel"), { force: true });
    },
  });
  expect(stdout.toString().split("up\r\n").length).toBeGreaterThan(3);
  expect([code, stderr]).toEqual([
    1,
    `isomorph: --kernel ${file("kernel")}: the machine starts again and needs this file, which cannot be read: no such file\n`,
  ]);
});

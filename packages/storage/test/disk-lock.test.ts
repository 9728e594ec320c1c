import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockDisk } from "../src/node/disk-lock.ts";
import { openFile } from "../src/node/file.ts";
import { firstLine, killChild, startChild } from "./child.ts";
import { noise, scratchFolder } from "./scratch.ts";

const LOCKED = { code: "ERR_DISK_LOCKED" };

function image(): string {
  const path = join(scratchFolder(), "disk.img");
  writeFileSync(path, noise(65536, 1));
  return path;
}

test("one writer alone, or several readers, in one process", async () => {
  const path = image();
  const writer = await openFile(path);
  await expect(openFile(path)).rejects.toMatchObject(LOCKED);
  await expect(openFile(path, { readOnly: true })).rejects.toMatchObject(LOCKED);
  await writer.close();
  const readers = [await openFile(path, { readOnly: true }), await openFile(path, { readOnly: true })];
  await expect(openFile(path)).rejects.toMatchObject(LOCKED);
  for (const reader of readers) await reader.close();
  await (await openFile(path)).close();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test("another process's disk is in use until that process is killed", async () => {
  const path = image();
  const child = startChild("hold-disk.ts", path);
  expect(await firstLine(child)).toBe("open");
  await expect(openFile(path)).rejects.toMatchObject({
    ...LOCKED,
    message: expect.stringContaining(`process ${child.pid}`),
  });
  await expect(openFile(path, { readOnly: true })).rejects.toMatchObject(LOCKED);
  await killChild(child);
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  const disk = await openFile(path);
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  await disk.close();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test("this process's disk is in use for another process", async () => {
  const path = image();
  const disk = await openFile(path);
  expect(await firstLine(startChild("hold-disk.ts", path))).toBe("ERR_DISK_LOCKED");
  expect(await firstLine(startChild("hold-disk.ts", path, "read"))).toBe("ERR_DISK_LOCKED");
  await disk.close();
});

test("of many that start at once, at most one writes at any time", async () => {
  const path = image();
  let held = 0;
  let taken = 0;
  const contend = async (): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      try {
        const release = await lockDisk(path, "write");
        expect(++held).toBe(1);
        taken++;
        await new Promise((resolve) => setImmediate(resolve));
        held--;
        release();
      } catch (error) {
        expect(error).toMatchObject(LOCKED);
      }
    }
  };
  await Promise.all([contend(), contend(), contend(), contend()]);
  expect(taken).toBeGreaterThan(10);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test("of many processes that start at once over a dead holder's lock, at most one opens", async () => {
  const path = image();
  const dead = startChild("hold-disk.ts", path);
  expect(await firstLine(dead)).toBe("open");
  await killChild(dead);
  const children = Array.from({ length: 4 }, () => startChild("hold-disk.ts", path));
  const answers = await Promise.all(children.map(firstLine));
  expect(answers.filter((answer) => answer === "open").length).toBeLessThanOrEqual(1);
  for (const answer of answers) expect(["open", "ERR_DISK_LOCKED"]).toContain(answer);
});

test("claims that cannot be judged are respected, those of an earlier boot are not", async () => {
  const path = image();
  const release = await lockDisk(path, "write");
  const [own = ""] = readdirSync(`${path}.lock`);
  release();
  const [, pid, started, , pidNamespace, host] = own.split("_");
  const claim = (name: string): void => {
    mkdirSync(`${path}.lock`, { recursive: true });
    writeFileSync(join(`${path}.lock`, name), "");
  };
  claim(["write", pid, started, "another-boot", pidNamespace, host, "00"].join("_"));
  await (await openFile(path)).close();
  for (const name of [
    ["write", "1", "5", "another-boot", pidNamespace, "another-host", "00"].join("_"),
    "nonsense",
  ]) {
    const folder = join(scratchFolder(), "x.img");
    writeFileSync(folder, noise(512, 2));
    mkdirSync(`${folder}.lock`);
    writeFileSync(join(`${folder}.lock`, name), "");
    await expect(openFile(folder)).rejects.toMatchObject({
      ...LOCKED,
      message: expect.stringContaining(name),
    });
    expect(readdirSync(`${folder}.lock`)).toEqual([name]);
  }
});

test("a process that got a dead holder's number is not taken for it", async () => {
  const path = image();
  const release = await lockDisk(path, "write");
  const [own = ""] = readdirSync(`${path}.lock`);
  release();
  const parts = own.split("_");
  mkdirSync(`${path}.lock`);
  // This process's number, another start.
  writeFileSync(join(`${path}.lock`, parts.with(2, "1").join("_")), "");
  await (await openFile(path)).close();
});

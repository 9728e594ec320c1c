/** A process that writes through openFile is killed at any moment: what it was told is durable is there. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFile } from "../src/node/file.ts";
import { killChild, startChild } from "./child.ts";
import { scratchFolder } from "./scratch.ts";

const SECTORS = 256;

test("a disk survives kill -9 of its writer, eight times over", async () => {
  const path = join(scratchFolder(), "disk.img");
  let flushes = 0;
  let writes = 0;
  for (let round = 0; round < 8; round++) {
    writeFileSync(path, new Uint8Array(SECTORS * 512));
    const child = startChild("kill-writer.ts", path, String(round));
    let log = "";
    child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      log += text;
    });
    const ended = new Promise((resolve) => child.stdout?.once("end", resolve));
    while (log.length < 20_000) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    await killChild(child);
    await ended;

    const issued: { sector: number; number: number }[] = [];
    let covered = 0;
    // The last line may be cut.
    for (const line of log.slice(0, log.lastIndexOf("\n")).split("\n")) {
      const [type, ...numbers] = line.split(" ");
      if (type === "F") covered = Math.max(covered, Number(numbers[0]));
      else issued.push({ sector: Number(numbers[0]), number: Number(numbers[1]) });
      if (type === "F") flushes++;
    }
    writes += issued.length;
    const floor = new Uint32Array(SECTORS);
    const newest = new Uint32Array(SECTORS);
    for (const { sector, number } of issued) {
      if (number <= covered) floor[sector] = number;
      newest[sector] = number;
    }

    const disk = await openFile(path);
    const content = new Uint32Array(SECTORS * 128);
    disk.read(0, new Uint8Array(content.buffer));
    await disk.close();
    for (let sector = 0; sector < SECTORS; sector++) {
      const words = content.subarray(sector * 128, sector * 128 + 128);
      const number = words[0] ?? 0;
      expect(words.every((word) => word === number)).toBe(true);
      expect(number).toBeGreaterThanOrEqual(floor[sector] ?? 0);
      expect(number).toBeLessThanOrEqual(newest[sector] ?? 0);
    }
  }
  expect(writes).toBeGreaterThan(1000);
  expect(flushes).toBeGreaterThan(50);
}, 60_000);

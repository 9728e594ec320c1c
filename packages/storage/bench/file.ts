/**
 * What openFile's choices rest on: `node packages/storage/bench/file.ts [folder]`.
 *
 * Compares reads and writes that complete at once with those that go through the event loop, and what a flush does to
 * the event loop when it completes at once and when it does not. Medians of 5 alternating rounds.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  read,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile } from "../src/node/file.ts";

const SIZE = 64 * 2 ** 20;
const ROUNDS = 5;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "isomorph-bench-"));
const path = join(folder, "disk.img");

type Job = () => number | Promise<number>;

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}

async function compare(unit: string, jobs: Record<string, Job>): Promise<void> {
  const results = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, job] of Object.entries(jobs)) {
      results.set(name, [...(results.get(name) ?? []), await job()]);
    }
  }
  for (const [name, values] of results)
    console.log(`${name.padEnd(52)} ${median(values).toFixed(1)} ${unit}`);
}

/** Thousands of calls a second. */
async function rate(calls: number, run: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return calls / (performance.now() - start);
}

const disk = await openFile(path, { create: { size: SIZE } });
await disk.write(0, new Uint8Array(SIZE).fill(1));
await disk.flush();
const fd = openSync(path, "r+");
const block = new Uint8Array(4096);
const blocks = SIZE / 4096;
const offset = (i: number): number => ((i * 7919) % blocks) * 4096;

await compare("thousand/s", {
  "4 KiB read, openFile": () =>
    rate(20000, () => {
      for (let i = 0; i < 20000; i++) disk.read(offset(i), block);
    }),
  "4 KiB read, readSync": () =>
    rate(20000, () => {
      for (let i = 0; i < 20000; i++) readSync(fd, block, 0, 4096, offset(i));
    }),
  "4 KiB read, fs.read, one at a time": () =>
    rate(5000, async () => {
      for (let i = 0; i < 5000; i++) {
        await new Promise((resolve) => read(fd, block, 0, 4096, offset(i), resolve));
      }
    }),
  "4 KiB read, fs.read, 32 at a time": () =>
    rate(20000, async () => {
      const lanes = Array.from({ length: 32 }, async (_, lane) => {
        for (let i = lane; i < 20000; i += 32) {
          await new Promise((resolve) => read(fd, block, 0, 4096, offset(i), resolve));
        }
      });
      await Promise.all(lanes);
    }),
  "4 KiB write, openFile": () =>
    rate(20000, async () => {
      for (let i = 0; i < 20000; i++) await disk.write(offset(i), block);
    }),
});

const large = new Uint8Array(SIZE / 4).fill(2);

/** Longest time, in milliseconds, that the event loop did not turn while `flush` stored 16 MiB, 5 times. */
async function longestStall(flush: () => Promise<unknown> | undefined): Promise<number> {
  let longest = 0;
  for (let i = 0; i < 5; i++) {
    writeSync(fd, large, 0, large.length, 0);
    let last = performance.now();
    let done = false;
    const flushed = Promise.resolve(flush()).then(() => {
      done = true;
    });
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    await flushed;
  }
  return longest;
}

await compare("ms without a turn of the event loop", {
  "16 MiB to store, fdatasyncSync": () =>
    longestStall(() => {
      fdatasyncSync(fd);
      return undefined;
    }),
  "16 MiB to store, fdatasync": () => longestStall(() => new Promise((resolve) => fdatasync(fd, resolve))),
});

await compare("ms for 32 writes, each with its flush", {
  "fdatasyncSync after each": async () => {
    const start = performance.now();
    for (let i = 0; i < 32; i++) {
      writeSync(fd, block, 0, 4096, offset(i));
      fdatasyncSync(fd);
    }
    return performance.now() - start;
  },
  "openFile, all at once (group commit)": async () => {
    const start = performance.now();
    const flushes = [];
    for (let i = 0; i < 32; i++) {
      await disk.write(offset(i), block);
      flushes.push(disk.flush());
    }
    await Promise.all(flushes);
    return performance.now() - start;
  },
});

closeSync(fd);
await disk.close();
rmSync(folder, { recursive: true });

/**
 * What survives a loss of power: every write and flush that reaches the medium is recorded while a random workload
 * runs, then the record is cut at random places. In each state a sector must hold a version no older than the last
 * acknowledged flush promised, and none that was never written to it.
 */
import type { BlockBackend, MaybePromise } from "@isomorph/interface";
import { seededRandom } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryDisk } from "../src/memory.ts";
import { BlockFile } from "../src/node/file-disk.ts";
import type { HostFile } from "../src/node/host-file.ts";
import { overlay } from "../src/overlay.ts";
import { crashImage, faultyDisk, type RecordingDisk, recordingDisk } from "../src/testing.ts";

const SECTORS = 64;
const SIZE = SECTORS * 512;

/** A file on a medium that can lose power: its sync takes some turns of the event loop. */
function fileOn(medium: RecordingDisk, random: () => number): HostFile {
  return {
    read(target, at, count, position) {
      void medium.read(position, target.subarray(at, at + count));
      return count;
    },
    write(source, at, count, position) {
      // Short transfers are possible; the medium takes whole sectors.
      const length = Math.min(count, 512 * (1 + Math.floor(random() * 4)));
      void medium.write(position, source.subarray(at, at + length));
      return length;
    },
    sync(done) {
      Promise.resolve(medium.flush()).then(
        () => done(null),
        (error: Error) => done(error),
      );
    },
    close: () => {},
  };
}

/** A medium whose flushes take up to four turns of the event loop. */
function newMedium(random: () => number): RecordingDisk {
  return recordingDisk(
    faultyDisk(memoryDisk({ size: SIZE }), ({ type }) =>
      type === "flush" ? { after: turns(random) } : undefined,
    ),
  );
}

async function turns(random: () => number): Promise<void> {
  for (let count = Math.floor(random() * 5); count >= 0; count--) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A promise that was made: from this event on, these versions at least are durable. */
interface Promised {
  readonly from: number;
  readonly versions: Uint32Array;
}

/** What the workload did, for the oracle. */
interface History {
  readonly promised: Promised[];
  /** Versions that were ever written to each sector. */
  readonly written: Set<number>[];
}

/** Fills each sector it writes with the number of the write, flushes now and then, and waits for little. */
async function work(disk: BlockBackend, medium: RecordingDisk, random: () => number): Promise<History> {
  const promised: Promised[] = [];
  const written = Array.from({ length: SECTORS }, () => new Set([0]));
  const completed = new Uint32Array(SECTORS);
  const calls: Promise<void>[] = [];
  const acknowledge = (call: MaybePromise<void>, versions: Uint32Array): void => {
    const done = (): void => {
      promised.push({ from: medium.events.length, versions });
    };
    if (call === undefined) done();
    else calls.push(call.then(done));
  };
  for (let version = 1; version <= 120; version++) {
    const first = Math.floor(random() * SECTORS);
    const count = 1 + Math.floor(random() * Math.min(8, SECTORS - first));
    const fua = random() < 0.05;
    const zero = random() < 0.1;
    const source = new Uint8Array(count * 512);
    new Uint32Array(source.buffer).fill(zero ? 0 : version);
    const call = zero
      ? disk.writeZeroes(first * 512, source.length, { fua })
      : disk.write(first * 512, source, { fua });
    for (let sector = first; sector < first + count; sector++) {
      written[sector]?.add(zero ? 0 : version);
      completed[sector] = version;
    }
    if (fua) acknowledge(call, only(completed, first, count));
    else if (call !== undefined) await call;
    if (random() < 0.2) acknowledge(disk.flush(), completed.slice());
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(calls);
  return { promised, written };
}

function only(versions: Uint32Array, first: number, count: number): Uint32Array {
  return versions.map((version, sector) => (sector >= first && sector < first + count ? version : 0));
}

/** How many sectors of a state are older than promised or hold what nobody wrote there. */
function violations(image: Uint8Array, cut: number, { promised, written }: History): number {
  const floor = new Uint32Array(SECTORS);
  for (const { from, versions } of promised) {
    if (from > cut) continue;
    versions.forEach((version, sector) => {
      floor[sector] = Math.max(floor[sector] ?? 0, version);
    });
  }
  const words = new Uint32Array(image.buffer);
  let wrong = 0;
  for (let sector = 0; sector < SECTORS; sector++) {
    const content = words.subarray(sector * 128, sector * 128 + 128);
    const version = content[0] ?? 0;
    const whole = content.every((word) => word === version);
    // Zeroes carry no number: they are taken for the newest zeroing.
    const old = version !== 0 && version < (floor[sector] ?? 0);
    const lost = version === 0 && (floor[sector] ?? 0) > 0 && !written[sector]?.has(0);
    if (!whole || old || lost || !written[sector]?.has(version)) wrong++;
  }
  return wrong;
}

/** Runs a workload and counts the violations in `states` random states after it. */
async function violationsOf(
  open: (medium: RecordingDisk, random: () => number) => BlockBackend,
  seed: number,
  states: number,
): Promise<number> {
  const random = seededRandom(seed);
  const medium = newMedium(random);
  const disk = open(medium, random);
  const history = await work(disk, medium, random);
  let wrong = 0;
  for (let state = 0; state < states; state++) {
    const cut = Math.floor(random() * (medium.events.length + 1));
    wrong += violations(crashImage(new Uint8Array(SIZE), medium.events, cut, random), cut, history);
  }
  return wrong;
}

function openBlockFile(file: HostFile): BlockBackend {
  return new BlockFile({
    path: "disk",
    file,
    size: SIZE,
    blockSize: 512,
    readOnly: false,
    release: () => {},
  });
}

/** A file disk with a planted mistake: a flush joins the sync that runs, whenever that was submitted. */
function joiningDisk(medium: RecordingDisk, random: () => number): BlockBackend {
  const disk = openBlockFile(fileOn(medium, random));
  let running: Promise<void> | undefined;
  return {
    ...recordingDisk(disk),
    flush() {
      running ??= Promise.resolve(medium.flush()).finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

/** A file disk with a planted mistake: flushes are not waited for. */
function hastyDisk(medium: RecordingDisk, random: () => number): BlockBackend {
  const disk = openBlockFile(fileOn(medium, random));
  return { ...recordingDisk(disk), flush: () => void disk.flush() };
}

const WORKLOADS = 30;
const STATES = 60;

async function violationsOfAll(
  open: (medium: RecordingDisk, random: () => number) => BlockBackend,
): Promise<number> {
  let wrong = 0;
  for (let seed = 1; seed <= WORKLOADS; seed++) wrong += await violationsOf(open, seed, STATES);
  return wrong;
}

describe(`after a loss of power (${WORKLOADS * STATES} states)`, () => {
  test("a file disk has lost nothing that was promised", async () => {
    expect(await violationsOfAll((medium, random) => openBlockFile(fileOn(medium, random)))).toBe(0);
  });

  test("an overlay's top has lost nothing that was promised", async () => {
    const open = (medium: RecordingDisk): BlockBackend =>
      overlay(memoryDisk({ size: SIZE }), { top: medium });
    expect(await violationsOfAll(open)).toBe(0);
  });

  test("the oracle sees a flush that joins an older sync", async () => {
    expect(await violationsOfAll(joiningDisk)).toBeGreaterThan(0);
  });

  test("the oracle sees a flush that is not waited for", async () => {
    expect(await violationsOfAll(hastyDisk)).toBeGreaterThan(0);
  });
});

test("crashImage keeps what a flush covered and varies the rest", () => {
  const medium = recordingDisk(memoryDisk({ size: SIZE }));
  void medium.write(0, new Uint8Array(1024).fill(1));
  void medium.flush();
  void medium.write(512, new Uint8Array(1024).fill(2));
  const random = seededRandom(7);
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const image = crashImage(new Uint8Array(SIZE), medium.events, medium.events.length, random);
    seen.add([0, 512, 1024].map((at) => image[at]).join(""));
  }
  expect([...seen].sort()).toEqual(["110", "112", "120", "122"]);
});

test("a file disk survives short transfers and passes on failed ones", async () => {
  let left = 3;
  const content = new Uint8Array(SIZE);
  const disk = openBlockFile({
    read(target, at, count, position) {
      const length = Math.min(count, 100);
      target.set(content.subarray(position, position + length), at);
      return length;
    },
    write(source, at, count, position) {
      if (left-- === 0) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      const length = Math.min(count, 200);
      content.set(source.subarray(at, at + length), position);
      return length;
    },
    sync: (done) => void setImmediate(done, Object.assign(new Error("bad medium"), { code: "EIO" })),
    close: () => {},
  });
  await disk.write(512, new Uint8Array(512).fill(5));
  const target = new Uint8Array(1024);
  await disk.read(0, target);
  expect(target.fill(0, 0, 512).subarray(512)).toEqual(new Uint8Array(512).fill(5));
  expect(() => disk.write(0, new Uint8Array(512))).toThrow(
    expect.objectContaining({ code: "ENOSPC", message: expect.stringContaining("512 bytes at 0") }),
  );
  // A failed flush is final, and close reports it.
  await expect(disk.flush()).rejects.toMatchObject({ code: "EIO" });
  expect(() => disk.flush()).toThrow(expect.objectContaining({ code: "EIO" }));
  await expect(disk.close()).rejects.toMatchObject({ code: "EIO" });
});

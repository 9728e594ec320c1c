/** The case lists pass on a plain right implementation and see every planted mistake. */
import type { GuestMemory, SnapshotState } from "@isomorph/interface";
import {
  blockBackendCases,
  type ComplianceCase,
  ComplianceError,
  guestMemoryCases,
  seededRandom,
  snapshottableCases,
} from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { arrayDisk, DISK_MISTAKES, reopenArrayDisk } from "./array-disk.ts";

/** Name of the first case that fails. */
async function firstFailure(cases: readonly ComplianceCase[]): Promise<string | undefined> {
  for (const { name, run } of cases) {
    try {
      await run();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      return name;
    }
  }
  return undefined;
}

describe("blockBackendCases", () => {
  for (const { name, run } of blockBackendCases(arrayDisk, { reopen: reopenArrayDisk })) test(name, run);

  test.each(DISK_MISTAKES)("sees: %s", async (mistake) => {
    const cases = blockBackendCases((request) => arrayDisk(request, mistake), { reopen: reopenArrayDisk });
    expect(await firstFailure(cases)).toBeDefined();
  });

  test("leaves out what an implementation cannot do", () => {
    const all = blockBackendCases(arrayDisk, { reopen: reopenArrayDisk }).length;
    expect(blockBackendCases(arrayDisk)).toHaveLength(all - 1);
    expect(blockBackendCases(arrayDisk, { maxSize: 2 ** 30, canBeReadOnly: false })).toHaveLength(all - 3);
  });
});

type Range = { readonly base: number; readonly size: number };

function plainMemory({ base, size }: Range, changes: Partial<GuestMemory> = {}): GuestMemory {
  const bytes = new Uint8Array(size);
  const contains = (gpa: number, length: number): boolean =>
    gpa >= base && length >= 0 && gpa <= base + size && length <= base + size - gpa;
  return {
    base,
    size,
    bytes,
    data: new DataView(bytes.buffer),
    contains,
    view(gpa: number, length: number) {
      if (!contains(gpa, length)) throw new RangeError(`${gpa}`);
      return bytes.subarray(gpa - base, gpa - base + length);
    },
    markDirty: () => {},
    ...changes,
  };
}

describe("guestMemoryCases", () => {
  for (const { name, run } of guestMemoryCases(plainMemory)) test(name, run);

  const mistakes: Record<string, (range: Range) => GuestMemory> = {
    "32-bit addresses": (range) =>
      plainMemory(range, {
        contains: (gpa, length) => gpa >>> 0 >= range.base && (gpa >>> 0) + length <= range.base + range.size,
      }),
    "contains with an overflow": (range) =>
      plainMemory(range, {
        contains: (gpa, length) => gpa >= range.base && gpa + length <= range.base + range.size,
      }),
    "NaN is contained": (range) =>
      plainMemory(range, {
        contains: (gpa, length) => !(gpa < range.base || gpa + length > range.base + range.size),
      }),
    "views are copies": (range) => {
      const memory = plainMemory(range);
      return { ...memory, view: (gpa, length) => memory.view(gpa, length).slice() };
    },
    "views are clamped": (range) => {
      const memory = plainMemory(range);
      return {
        ...memory,
        view: (gpa, length) => memory.bytes.subarray(gpa - range.base, gpa - range.base + length),
      };
    },
    "data is other memory": (range) =>
      plainMemory(range, { data: new DataView(new ArrayBuffer(range.size)) }),
    "markDirty throws outside": (range) => {
      const memory = plainMemory(range);
      return { ...memory, markDirty: (gpa, length) => void memory.view(gpa, length) };
    },
    "another base": (range) => ({ ...plainMemory(range), base: 0 }),
  };
  test.each(Object.keys(mistakes))("sees: %s", async (name) => {
    expect(
      await firstFailure(guestMemoryCases(mistakes[name] as (range: Range) => GuestMemory)),
    ).toBeDefined();
  });

  test("sees that two memories are one", async () => {
    const shared = plainMemory({ base: 0x8000_0000, size: 0x10_0000 });
    expect(await firstFailure(guestMemoryCases(() => shared))).toBe("two memories share nothing");
  });
});

interface CounterState extends SnapshotState {
  readonly count: number;
  readonly bytes: Uint8Array;
}

function counter() {
  let count = 0;
  const bytes = new Uint8Array(4);
  return {
    part: {
      save: (): SnapshotState => ({ version: 1, count, bytes: bytes.slice() }),
      restore(state: SnapshotState) {
        if (state.version !== 1) throw Object.assign(new Error("version"), { code: "ERR_SNAPSHOT_VERSION" });
        count = (state as CounterState).count;
        bytes.set((state as CounterState).bytes);
      },
    },
    disturb() {
      count++;
      bytes[1] = count;
    },
    bytes,
    setCount(value: number) {
      count = value;
    },
  };
}

describe("snapshottableCases", () => {
  for (const { name, run } of snapshottableCases(counter)) test(name, run);

  type Counter = ReturnType<typeof counter>;
  const mistakes: Record<string, (good: Counter) => Partial<Counter["part"]>> = {
    "a state shares memory": ({ part, bytes }) => ({ save: () => ({ ...part.save(), bytes }) }),
    "restore leaves something": ({ part, bytes }) => ({
      restore(state) {
        const kept = bytes.slice();
        part.restore(state);
        bytes.set(kept);
      },
    }),
    "restore accepts any version": ({ part }) => ({
      restore: (state) => part.restore({ ...state, version: 1 }),
    }),
    "a refused restore changes something": ({ part, setCount }) => ({
      restore(state) {
        setCount(77);
        part.restore(state);
      },
    }),
    "a refusal without a code": ({ part }) => ({
      restore(state) {
        if (state.version !== 1) throw new Error("version");
        part.restore(state);
      },
    }),
    "saving changes the part": ({ part, disturb }) => ({
      save() {
        disturb();
        return part.save();
      },
    }),
    "a state is not plain": ({ part }) => ({
      save: () => ({ ...part.save(), table: new Map() }) as unknown as SnapshotState,
    }),
    "no version": ({ part }) => ({
      save: () => ({ ...part.save(), version: undefined }) as unknown as SnapshotState,
    }),
  };
  test.each(Object.keys(mistakes))("sees: %s", async (name) => {
    const cases = snapshottableCases(() => {
      const good = counter();
      return { ...good, part: { ...good.part, ...mistakes[name]?.(good) } };
    });
    expect(await firstFailure(cases)).toBeDefined();
  });
});

test("seededRandom repeats itself, differs between seeds and covers its range evenly", () => {
  const draw = (seed: number): number[] => Array.from({ length: 4000 }, seededRandom(seed));
  expect(draw(1)).toEqual(draw(1));
  for (const seed of [0, 1, 2, -1, 2 ** 31]) {
    const numbers = draw(seed);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = numbers.filter((number) => Math.floor(number * 10) === tenth).length / 4000;
      expect(share).toBeGreaterThan(0.07);
      expect(share).toBeLessThan(0.13);
    }
  }
  expect(draw(1)).not.toEqual(draw(2));
});

test("a failed case says what went wrong", async () => {
  const [first] = blockBackendCases(({ readOnly }) => arrayDisk({ size: 512, readOnly }));
  await expect(first?.run()).rejects.toMatchObject({
    name: "ComplianceError",
    code: "ERR_COMPLIANCE",
    message: "size is 512, not 1048576",
  });
  expect(new ComplianceError("x")).toBeInstanceOf(Error);
});

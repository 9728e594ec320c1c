import type { GuestMemory } from "../guest-memory.ts";
import { failsWithRangeError, ok, same } from "./assert.ts";
import type { ComplianceCase } from "./case.ts";

const BASE = 0x8000_0000;
const SIZE = 0x10_0000;

/** Lengths and addresses no memory contains. */
const NOT_A_RANGE: readonly (readonly [number, number])[] = [
  [Number.NaN, 1],
  [BASE, Number.NaN],
  [Number.NaN, Number.NaN],
  [Number.POSITIVE_INFINITY, 1],
  [Number.NEGATIVE_INFINITY, 1],
  [BASE, Number.POSITIVE_INFINITY],
  [BASE, -1],
  [BASE + 16, -8],
  [-1, 1],
  [-BASE, 1],
  [BASE - 1, 1],
  [BASE - 1, 2],
  [BASE + SIZE, 1],
  [BASE + SIZE - 1, 2],
  [BASE, SIZE + 1],
  [BASE - 4096, SIZE + 8192],
  [Number.MAX_SAFE_INTEGER, 1],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  // Equal to addresses inside when cut to 32 bits.
  [BASE + 2 ** 32, 1],
  [BASE - 2 ** 32, 1],
  [BASE, 2 ** 32 + 1],
];

/**
 * Checks of the {@link GuestMemory} contract. `create` makes a memory of `size` bytes at GPA `base`.
 */
export function guestMemoryCases(
  create: (request: { readonly base: number; readonly size: number }) => GuestMemory,
): ComplianceCase[] {
  const cases: ComplianceCase[] = [];
  const add = (name: string, check: (memory: GuestMemory) => void | Promise<void>): void => {
    cases.push({ name, run: async () => check(create({ base: BASE, size: SIZE })) });
  };

  add("has the place and size asked for", (memory) => {
    same(memory.base, BASE, "base");
    same(memory.size, SIZE, "size");
    same(memory.bytes.byteLength, SIZE, "bytes.byteLength");
    same(memory.data.byteLength, SIZE, "data.byteLength");
  });

  add("bytes, data and view are the same memory", (memory) => {
    memory.data.setUint32(0x1234, 0x89abcdef, true);
    same(memory.bytes[0x1234], 0xef, "bytes[0x1234]");
    same(memory.bytes[0x1237], 0x89, "bytes[0x1237]");
    const view = memory.view(BASE + 0x1234, 8);
    same(view.length, 8, "view.length");
    same(view[1], 0xcd, "view[1]");
    view[7] = 0x5a;
    same(memory.bytes[0x123b], 0x5a, "a byte written through the view");
    memory.bytes[0x1234] = 1;
    same(view[0], 1, "a byte written through bytes");
  });

  add("the first and the last byte can be reached", (memory) => {
    const first = memory.view(BASE, 1);
    const last = memory.view(BASE + SIZE - 1, 1);
    first[0] = 0x11;
    last[0] = 0x22;
    same(memory.bytes[0], 0x11, "first byte");
    same(memory.bytes[SIZE - 1], 0x22, "last byte");
    same(memory.view(BASE, SIZE).length, SIZE, "length of a view on everything");
    same(memory.view(BASE + 64, 0).length, 0, "length of an empty view");
  });

  add("contains ranges wholly inside", (memory) => {
    ok(memory.contains(BASE, 1), "contains its first byte");
    ok(memory.contains(BASE, SIZE), "contains all of itself");
    ok(memory.contains(BASE + SIZE - 1, 1), "contains its last byte");
    ok(memory.contains(BASE + SIZE - 8, 8), "contains its last doubleword");
    ok(memory.contains(BASE + 5, 0), "contains an empty range inside");
  });

  add("contains takes any numbers", (memory) => {
    for (const [gpa, length] of NOT_A_RANGE) {
      same(memory.contains(gpa, length), false, `contains(${gpa}, ${length})`);
    }
  });

  add("view outside is a RangeError", async (memory) => {
    for (const [gpa, length] of NOT_A_RANGE) {
      await failsWithRangeError(() => memory.view(gpa, length), `view(${gpa}, ${length})`);
    }
  });

  add("markDirty takes any range and changes no byte", (memory) => {
    memory.bytes.fill(0xa5, 0, 8192);
    memory.markDirty(BASE, SIZE);
    memory.markDirty(BASE + 1, 1);
    memory.markDirty(BASE + 4095, 2);
    memory.markDirty(BASE + 10, 0);
    for (const [gpa, length] of NOT_A_RANGE) memory.markDirty(gpa, length);
    same(memory.bytes[0], 0xa5, "bytes[0]");
    same(memory.bytes[8191], 0xa5, "bytes[8191]");
  });

  add("bytes and data stay where they are", (memory) => {
    const { bytes, data } = memory;
    memory.view(BASE, 4096).fill(7);
    memory.markDirty(BASE, 4096);
    same(memory.bytes.buffer, bytes.buffer, "buffer of bytes");
    same(memory.data.buffer, data.buffer, "buffer of data");
    same(memory.bytes.byteOffset, bytes.byteOffset, "byteOffset of bytes");
    same(bytes[4095], 7, "a byte through an earlier bytes");
    same(data.getUint8(4095), 7, "a byte through an earlier data");
  });

  cases.push({
    name: "two memories share nothing",
    run: async () => {
      const one = create({ base: BASE, size: SIZE });
      const two = create({ base: BASE, size: SIZE });
      const before = two.bytes[100] ?? 0;
      one.bytes[100] = before ^ 0xff;
      same(two.bytes[100], before, "a byte of the other memory");
    },
  });

  return cases;
}

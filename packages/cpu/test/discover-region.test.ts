/** What a region is made of, where it dispatches. */
import { describe, expect, test } from "vitest";
import { assemble } from "../src/asm.ts";
import { expansionTable } from "../src/isa/index.ts";
import { discoverRegion } from "../src/translator/discover-region.ts";
import { DISPATCH, type Region } from "../src/translator/region.ts";
import { type Item, structure } from "../src/translator/structure.ts";

const ORIGIN = 0x1_0000;
const NEXT = "lbu a2, 0(s10)\n addi s10, s10, 1\n slli a2, a2, 3\n add a2, a2, s9\n ld a2, 0(a2)\n jr a2";
/** A `switch` in a loop, from whose beginning there is a way to its end without it, where no case is meant. */
const SWITCH = `
  loop: bltu s8, s7, none
    ${NEXT}
  one: addi a0, a0, 1
    j next
  ten: addi a0, a0, 10
    jal ra, f
  returned: addi a0, a0, 3
    j next
  hundred: addi a0, a0, 100
    bnez a0, next
    j one
  none: addi a1, a1, 1
  next: addi s8, s8, -1
    bnez s8, loop
    ebreak
  f: ret`;

type Label = "loop" | "one" | "ten" | "returned" | "hundred";

const CASES: readonly Label[] = ["one", "ten", "hundred"];

const { bytes, symbols } = assemble(SWITCH, { origin: ORIGIN });
const at = (label: Label): number => Number(symbols.get(label));

/** The whole region for a label, after indirect jumps led to the cases, in the place of one with these entries. */
function regionAt(entry: Label, dispatched: readonly Label[] | undefined): Region {
  const code = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = expansionTable();
  const targets = CASES.map(at);
  const region = discoverRegion(
    {
      isTranslated: () => false,
      parcel: (host) => (host - ORIGIN < bytes.length ? code.getUint16(host - ORIGIN, true) : 0),
      expand: (parcel) => table[parcel] as number,
    },
    at(entry),
    {
      secondPage: undefined,
      isWhole: true,
      dispatched: dispatched?.map(at),
      map: {
        isHotCall: () => false,
        isKnown: () => true,
        waysBy: (host) => (targets.includes(host) ? 3 : 0),
      },
    },
  );
  if (region === undefined) throw new Error(`no region at ${entry}`);
  return region;
}

/** Ways from block to block, as places; those that the structure cannot express leave the region. */
function lostWays(region: Region): readonly string[] {
  const { blocks, items } = structure(region.blocks);
  const order = blocks.map(({ start }) => start);
  const headsAround = new Map<number, readonly number[]>();
  const visit = (list: readonly Item[], heads: readonly number[]): void => {
    for (const item of list) {
      if (item.kind === "block") headsAround.set(item.block, heads);
      else visit(item.items, [...heads, item.first]);
    }
  };
  visit(items, []);
  return blocks.flatMap((block, index) => {
    const next = block.fallsThrough ? [...block.targets, block.end] : block.targets;
    return next.flatMap((place) => {
      const to = order.indexOf(place);
      const isLost = to >= 0 && to <= index && !headsAround.get(index)?.includes(to);
      return isLost ? `${block.start.toString(16)} to ${place.toString(16)}` : [];
    });
  });
}

describe("a switch in a loop", () => {
  test("from the head of its loop: that is the only entry, as the loop would begin at two places otherwise", () => {
    const region = regionAt("loop", []);
    expect(region.entries).toEqual([at("loop")]);
    expect(region.blocks[0]?.start).toBe(at("loop"));
    expect(region.blocks.filter(({ targets }) => targets.includes(DISPATCH))).toHaveLength(1);
    expect(lostWays(region)).toEqual([]);
  });

  test("from a handler: all of them are entries", () => {
    const region = regionAt("ten", []);
    expect(region.entries[0]).toBe(at("ten"));
    expect([...region.entries].sort()).toEqual(CASES.map(at).sort());
    expect(region.blocks[0]?.start).toBe(DISPATCH);
    expect(lostWays(region)).toEqual([]);
  });

  test("from where a callee returns to, in a handler: so is that, with what were entries before", () => {
    const region = regionAt("returned", ["ten", "one"]);
    expect(region.entries[0]).toBe(at("returned"));
    expect([...region.entries].sort()).toEqual([at("returned"), ...CASES.map(at)].sort());
    expect(lostWays(region)).toEqual([]);
  });

  test("where the page is to keep the region that dispatches: one entry, from which the jumps lead on all the same", () => {
    const region = regionAt("ten", undefined);
    expect(region.entries).toEqual([at("ten")]);
    expect(region.blocks[0]?.start).toBe(at("ten"));
    expect(region.blocks.map(({ start }) => start)).toContain(DISPATCH);
    expect(lostWays(region)).toEqual([]);
  });

  test("a head of the loop that was an entry is none any more", () => {
    const region = regionAt("hundred", ["loop", "one"]);
    expect([...region.entries].sort()).toEqual(CASES.map(at).sort());
    expect(lostWays(region)).toEqual([]);
  });
});

import { snapshottableCases } from "@isomorph/interface/compliance";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Plic, plic } from "../src/index.ts";
import { wires } from "./wires.ts";

const ENABLE = 0x2000;
const THRESHOLD = 0x200000;
const CLAIM = 0x200004;

function setup(sources = 40, contexts = 2) {
  const outputs = wires(contexts);
  const device = plic({ sources, contexts: outputs.lines });
  const enable = (context: number, ...ids: number[]): void => {
    for (const id of ids) {
      const at = ENABLE + context * 0x80 + (id >>> 5) * 4;
      device.mmioWrite(at, 4, (device.mmioRead(at, 4) | (1 << (id & 31))) >>> 0);
    }
  };
  const priority = (id: number, value: number): void => device.mmioWrite(id * 4, 4, value);
  const threshold = (context: number, value: number): void =>
    device.mmioWrite(THRESHOLD + context * 0x1000, 4, value);
  const claim = (context: number): number => device.mmioRead(CLAIM + context * 0x1000, 4);
  const complete = (context: number, id: number): void => device.mmioWrite(CLAIM + context * 0x1000, 4, id);
  return { device, outputs, enable, priority, threshold, claim, complete };
}

describe("PLIC 1.0.0", () => {
  test("section 4: priority 0 never interrupts, 7 is the highest, higher bits don't exist", () => {
    const { device, outputs, enable, priority, claim } = setup();
    enable(0, 1);
    device.source(1).set(true);
    expect(outputs.levels[0]).toBe(false);
    expect(claim(0)).toBe(0);
    priority(1, 0xff);
    expect(device.mmioRead(4, 4)).toBe(7);
    expect(outputs.levels[0]).toBe(true);
    priority(0, 5);
    expect(device.mmioRead(0, 4)).toBe(0);
  });

  test("section 5: pending bits are read-only, one bit a source", () => {
    const { device } = setup();
    device.source(1).set(true);
    device.source(33).set(true);
    expect(device.mmioRead(0x1000, 4)).toBe(2);
    expect(device.mmioRead(0x1004, 4)).toBe(2);
    device.mmioWrite(0x1000, 4, 0);
    expect(device.mmioRead(0x1000, 4)).toBe(2);
  });

  test("section 6: enables per context; bits without a source read as zero", () => {
    const { device, outputs, enable, priority } = setup(40, 3);
    device.mmioWrite(ENABLE, 4, 0xffffffff);
    device.mmioWrite(ENABLE + 4, 4, 0xffffffff);
    device.mmioWrite(ENABLE + 8, 4, 0xffffffff);
    expect(device.mmioRead(ENABLE, 4)).toBe(0xfffffffe);
    expect(device.mmioRead(ENABLE + 4, 4)).toBe(0x1ff);
    expect(device.mmioRead(ENABLE + 8, 4)).toBe(0);
    device.mmioWrite(ENABLE, 4, 0);
    enable(2, 7);
    priority(7, 1);
    device.source(7).set(true);
    expect(outputs.levels).toEqual([false, false, true]);
  });

  test("section 7: only priorities above the threshold interrupt; a claim ignores the threshold", () => {
    const { device, outputs, enable, priority, threshold, claim } = setup();
    enable(0, 3);
    priority(3, 4);
    threshold(0, 4);
    device.source(3).set(true);
    expect(outputs.levels[0]).toBe(false);
    threshold(0, 3);
    expect(outputs.levels[0]).toBe(true);
    threshold(0, 7);
    expect(outputs.levels[0]).toBe(false);
    expect(claim(0)).toBe(3);
  });

  test("section 8: claims go by priority, then by the lowest id, and clear the pending bit", () => {
    const { device, outputs, enable, priority, claim } = setup();
    enable(0, 2, 5, 33, 34);
    for (const [id, value] of [
      [2, 1],
      [5, 3],
      [33, 3],
      [34, 7],
    ] as const)
      priority(id, value);
    for (const id of [2, 5, 33, 34]) device.source(id).set(true);
    expect([claim(0), claim(0), claim(0), claim(0), claim(0)]).toEqual([34, 5, 33, 2, 0]);
    expect(outputs.levels[0]).toBe(false);
    expect(device.counters()).toEqual({ claims: 4, emptyClaims: 1 });
  });

  test("section 8: of two contexts that see the same interrupt only one gets it", () => {
    const { device, outputs, enable, priority, claim } = setup();
    enable(0, 4);
    enable(1, 4);
    priority(4, 1);
    device.source(4).set(true);
    expect(outputs.levels).toEqual([true, true]);
    expect(claim(1)).toBe(4);
    expect(outputs.levels).toEqual([false, false]);
    expect(claim(0)).toBe(0);
  });

  test("section 9: a wire that stays high interrupts again only after completion", () => {
    const { device, outputs, enable, priority, claim, complete } = setup();
    enable(0, 9);
    priority(9, 1);
    device.source(9).set(true);
    expect(claim(0)).toBe(9);
    device.source(9).set(false);
    device.source(9).set(true);
    expect(outputs.levels[0]).toBe(false);
    complete(0, 9);
    expect(outputs.levels[0]).toBe(true);
    expect(claim(0)).toBe(9);
    device.source(9).set(false);
    complete(0, 9);
    expect(outputs.levels[0]).toBe(false);
    expect(claim(0)).toBe(0);
  });

  test("section 9: a completion for a source that is not enabled is ignored", () => {
    const { device, outputs, enable, priority, claim, complete } = setup();
    enable(0, 9);
    priority(9, 1);
    device.source(9).set(true);
    claim(0);
    complete(1, 9);
    complete(0, 8);
    complete(0, 5000);
    complete(0, 0);
    expect(outputs.levels[0]).toBe(false);
    complete(0, 9);
    expect(outputs.levels[0]).toBe(true);
  });

  test("chapter 1, gateways: a forwarded request stays pending though the wire falls", () => {
    const { device, enable, priority, claim } = setup();
    enable(0, 6);
    priority(6, 1);
    device.source(6).set(true);
    device.source(6).set(false);
    expect(claim(0)).toBe(6);
  });

  test("only aligned words; far offsets are harmless", () => {
    const { device } = setup();
    for (const offset of [0xffc, 0x1080, 0x1f0000, 0x1fffffc, 0x3fffffc]) {
      device.mmioWrite(offset, 4, 0xffffffff);
      expect(device.mmioRead(offset, 4)).toBe(0);
    }
    device.mmioWrite(4, 1, 7);
    expect(device.mmioRead(4, 4)).toBe(0);
    expect(device.mmioRead(4, 2)).toBe(0);
  });

  test("1023 sources", () => {
    const { device, enable, priority, claim } = setup(1023, 1);
    enable(0, 1023);
    priority(1023, 2);
    device.source(1023).set(true);
    expect(claim(0)).toBe(1023);
    expect(() => device.source(1024)).toThrow(RangeError);
    expect(() => device.source(0)).toThrow(RangeError);
    expect(() => new Plic({ sources: 1024, contexts: wires(1).lines })).toThrow(/1024/);
    expect(() => new Plic({ sources: 1, contexts: [] })).toThrow(RangeError);
  });

  test("reset forgets everything but the wires", () => {
    const { device, outputs, enable, priority, claim } = setup();
    enable(0, 1, 2);
    priority(1, 1);
    priority(2, 1);
    device.source(1).set(true);
    device.source(2).set(true);
    claim(0);
    device.source(2).set(false);
    device.reset();
    expect(outputs.levels[0]).toBe(false);
    enable(0, 1, 2);
    priority(1, 1);
    priority(2, 1);
    expect([claim(0), claim(0)]).toEqual([1, 0]);
  });

  test("agrees with a model that sorts all candidates, over any sequence of events", () => {
    const event = fc.oneof(
      fc.record({
        kind: fc.constant("wire" as const),
        id: fc.integer({ min: 1, max: 40 }),
        level: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant("priority" as const),
        id: fc.integer({ min: 1, max: 40 }),
        value: fc.nat(7),
      }),
      fc.record({ kind: fc.constant("enable" as const), id: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ kind: fc.constant("threshold" as const), value: fc.nat(7) }),
      fc.record({ kind: fc.constant("claim" as const) }),
      fc.record({ kind: fc.constant("complete" as const), id: fc.integer({ min: 1, max: 40 }) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), (events) => {
        const { device, outputs, enable, priority, threshold, claim, complete } = setup(40, 1);
        const model = Array.from({ length: 41 }, () => ({
          wire: false,
          pending: false,
          claimed: false,
          priority: 0,
          enabled: false,
        }));
        let limit = 0;
        const candidates = () =>
          model
            .map((source, id) => ({ ...source, id }))
            .filter((source) => source.pending && source.enabled && source.priority > 0)
            .sort((a, b) => b.priority - a.priority || a.id - b.id);
        for (const step of events) {
          if (step.kind === "wire") {
            const source = model[step.id]!;
            device.source(step.id).set(step.level);
            if (step.level && !source.wire && !source.claimed) source.pending = true;
            source.wire = step.level;
          } else if (step.kind === "priority") {
            priority(step.id, step.value);
            model[step.id]!.priority = step.value;
          } else if (step.kind === "enable") {
            enable(0, step.id);
            model[step.id]!.enabled = true;
          } else if (step.kind === "threshold") {
            threshold(0, step.value);
            limit = step.value;
          } else if (step.kind === "claim") {
            const id = candidates()[0]?.id ?? 0;
            expect(claim(0)).toBe(id);
            if (id > 0) Object.assign(model[id]!, { pending: false, claimed: true });
          } else {
            complete(0, step.id);
            const source = model[step.id]!;
            if (source.enabled && source.claimed)
              Object.assign(source, { claimed: false, pending: source.pending || source.wire });
          }
          expect(outputs.levels[0]).toBe((candidates()[0]?.priority ?? 0) > limit);
          const copy = setup(40, 1);
          copy.device.restore(device.save());
          expect(copy.outputs.levels).toEqual(outputs.levels);
        }
      }),
      { numRuns: 60 },
    );
  });

  let step = 0;
  const cases = snapshottableCases(() => {
    const { device, enable, priority, threshold, claim } = setup();
    return {
      part: device,
      disturb() {
        step++;
        enable(0, (step % 40) + 1);
        priority((step % 40) + 1, (step % 7) + 1);
        threshold(1, step % 8);
        device.source((step % 40) + 1).set(true);
        if (step % 3 === 0) claim(0);
      },
    };
  });
  for (const { name, run } of cases) test(`snapshot: ${name}`, run);
});

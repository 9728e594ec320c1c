import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cellPair, type DevicetreeNode, flattenDevicetree } from "../src/fdt/writer.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "isomorph-fdt-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs one of dtc's tools on the blob: `FILE` in `args` stands for it. */
function judge(blob: Uint8Array, tool: string, ...args: string[]): string {
  const file = join(directory, "tree.dtb");
  writeFileSync(file, blob);
  const withFile = args.map((arg) => (arg === "FILE" ? file : arg));
  return execFileSync(tool, withFile, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const tree: DevicetreeNode = {
  properties: {
    "#address-cells": 2,
    "#size-cells": 2,
    compatible: ["isomorph,virt", "riscv-virtio"],
    model: "a",
  },
  children: {
    chosen: { properties: { bootargs: "root=/dev/vda quiet", "rng-seed": Uint8Array.of(1, 2, 3, 255, 0) } },
    "memory@80000000": {
      properties: { device_type: "memory", reg: [...cellPair(0x80000000), ...cellPair(5 * 2 ** 30)] },
    },
    soc: {
      properties: { ranges: true, "#address-cells": 2, "#size-cells": 2 },
      children: { "serial@10000000": { properties: { reg: [0, 0x10000000, 0, 0x100], interrupts: 10 } } },
    },
  },
};

describe("flattened device tree (Devicetree Specification 0.4, chapter 5)", () => {
  it("is what dtc reads back", () => {
    const source = judge(flattenDevicetree(tree), "dtc", "-Idtb", "-Odts", "FILE").replaceAll(/\s+/g, " ");

    expect(source).toContain("ranges;");
    expect(source).toContain("rng-seed = [01 02 03 ff 00];");
    expect(source).toContain("reg = <0x00 0x80000000 0x01 0x40000000>;");
  });

  it("answers fdtget property by property", () => {
    const blob = flattenDevicetree(tree);
    expect(judge(blob, "fdtget", "-ts", "FILE", "/chosen", "bootargs").trim()).toBe("root=/dev/vda quiet");
    expect(judge(blob, "fdtget", "-ts", "FILE", "/", "compatible").trim()).toBe("isomorph,virt riscv-virtio");
    expect(judge(blob, "fdtget", "-tx", "FILE", "/memory@80000000", "reg").trim()).toBe(
      "0 80000000 1 40000000",
    );
    expect(judge(blob, "fdtget", "-tu", "FILE", "/soc/serial@10000000", "interrupts").trim()).toBe("10");
  });

  it("5.2 and 5.3: header and memory reservation block, as fdtdump prints them", () => {
    const blob = flattenDevicetree(tree, {
      reservations: [{ gpa: 0x80000000, size: 0x200000 }],
      bootHart: 3,
    });
    const dump = judge(blob, "fdtdump", "FILE");
    expect(dump).toMatch(/magic:\s+0xd00dfeed/);
    expect(dump).toMatch(/version:\s+17/);
    expect(dump).toMatch(/last_comp_version:\s+16/);
    expect(dump).toMatch(/boot_cpuid_phys:\s+0x3/);
    expect(dump).toMatch(/\/memreserve\/ 0x80000000 0x200000;/);
  });

  it("is read back unchanged for any tree", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9,._+-]{0,12}$/);
    const value = fc.oneof(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 5 }),
      fc.constant(true as const),
    );
    const node: fc.Arbitrary<DevicetreeNode> = fc.record({
      properties: fc.dictionary(name, value, { maxKeys: 4 }),
      children: fc.dictionary(
        name.map((text) => `${text}@0`),
        fc.record({ properties: fc.dictionary(name, value, { maxKeys: 3 }) }),
        { maxKeys: 3 },
      ),
    });
    fc.assert(
      fc.property(node, (root) => {
        const blob = flattenDevicetree(root);
        const again = judge(blob, "dtc", "-Idtb", "-Odtb", "-q", "FILE");
        expect(again.length).toBeGreaterThan(0);
        const listed = judge(blob, "fdtget", "-p", "FILE", "/").split("\n").filter(Boolean).sort();
        expect(listed).toEqual(Object.keys(root.properties).sort());
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ["a bad node name", { properties: {}, children: { "no space": { properties: {} } } }],
    ["an empty node name", { properties: {}, children: { "": { properties: {} } } }],
    ["a property name of 32 characters", { properties: { ["x".repeat(32)]: true as const } }],
    ["a cell above 32 bits", { properties: { x: 2 ** 32 } }],
    ["a negative cell", { properties: { x: [-1] } }],
    ["a fraction", { properties: { x: 1.5 } }],
    ["a NUL in a string", { properties: { x: "a\0b" } }],
  ])("refuses %s", (_, bad) => {
    expect(() => flattenDevicetree(bad as DevicetreeNode)).toThrow(RangeError);
  });
});

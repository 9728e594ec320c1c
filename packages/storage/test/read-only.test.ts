import { blockBackendCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryDisk } from "../src/memory.ts";
import { readOnlyView } from "../src/read-only.ts";
import { noise } from "./scratch.ts";

describe("readOnlyView keeps the BlockBackend contract", () => {
  for (const { name, run } of blockBackendCases((request) => {
    const below = memoryDisk({ ...request, readOnly: false });
    return request.readOnly ? readOnlyView(below) : below;
  })) {
    test(name, run);
  }
});

test("readOnlyView shows the disk below and closes it", () => {
  const below = memoryDisk({ bytes: noise(4096, 1) });
  const view = readOnlyView(below);
  const target = new Uint8Array(4096);
  view.read(0, target);
  expect(target).toEqual(noise(4096, 1));
  expect(view.extents(0, 4096)).toEqual([{ offset: 0, length: 4096, kind: "data" }]);
  view.close();
  expect(() => below.read(0, target)).toThrow(expect.objectContaining({ code: "EBADF" }));
});

test("readOnlyView with keepOpen leaves the disk below open", () => {
  const below = memoryDisk({ bytes: noise(4096, 2) });
  const view = readOnlyView(below, { keepOpen: true });
  view.close();
  expect(() => view.read(0, new Uint8Array(512))).toThrow(expect.objectContaining({ code: "EBADF" }));
  const target = new Uint8Array(4096);
  below.read(0, target);
  expect(target).toEqual(noise(4096, 2));
});

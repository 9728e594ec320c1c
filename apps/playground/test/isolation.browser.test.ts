import { expect, test } from "vitest";

test("the page is cross-origin isolated and shares WebAssembly memory", () => {
  expect(crossOriginIsolated).toBe(true);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
});

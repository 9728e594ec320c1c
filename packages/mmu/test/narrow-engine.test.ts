import { expect, it, vi } from "vitest";
import { MachineMemory } from "../src/index.ts";

it("an engine without memories of 64-bit addresses refuses what needs one, and says what to do", () => {
  // As engines answer that do not know them. Memories of 32-bit addresses are there.
  using _validate = vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
  const create = (ramSize: number): MachineMemory =>
    new MachineMemory({ ramBase: 0x8000_0000, ramSize, reserved: 0 });
  expect(() => create(6 * 2 ** 30)).toThrow(
    new RangeError(
      "ramSize 6442450944 is too large: 4293394432 is the most without WebAssembly memories of 64-bit addresses, " +
        "which this engine lacks: Node.js 24 and Chromium 133 have them",
    ),
  );
  expect(create(1 << 20).size).toBe(1 << 20);
});

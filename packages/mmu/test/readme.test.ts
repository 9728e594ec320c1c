import { expect, it } from "vitest";
import { MachineMemory, PageTableBuilder, Pte, SV39 } from "../src/index.ts";

it("the README's example says what happens", () => {
  const memory = new MachineMemory({ ramBase: 0x8000_0000, ramSize: 1 << 20, reserved: 0 });
  const tables = new PageTableBuilder({ memory, format: SV39, tables: 0x8000_0000, tablesSize: 0x4000 });
  tables.map(0x1000n, 0x8000_8000, Pte.V | Pte.R | Pte.X | Pte.A);
  expect(tables.satp(1).toString(16)).toBe("8000100000080000");
  memory.view(0x8000_8000, 4).set([0x73, 0, 0x10, 0]);
  memory.markDirty(0x8000_8000, 4);
  expect([...memory.takeDirtyPages()]).toEqual([0, 1, 2, 8]);
});

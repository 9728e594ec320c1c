import { type Processor, riscv64 } from "@isomorph/cpu";

/** Real harts without a machine around them. */
export function bareProcessor(
  options: { harts?: number; firmware?: "vmm" | "guest"; now?: () => number } = {},
): Processor {
  return riscv64({ translationThreshold: 0 })({
    memoryBase: 0x80000000,
    memorySize: 1 << 20,
    harts: options.harts ?? 1,
    firmware: options.firmware ?? "vmm",
    log: () => {},
    clock: { frequency: 10_000_000, now: options.now ?? (() => 0) },
    bus: { covers: () => false, read: () => 0, write() {}, read64: () => 0n, write64() {} },
  });
}

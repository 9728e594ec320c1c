/** What the examples of READMEs need to run, and where they run. */

/** The example of one README. */
export interface ReadmeExample {
  /** The document, from the repository's root. */
  readonly readme: string;
  /** Which of its TypeScript blocks, the first if not given. */
  readonly block?: number;
  /** The package from whose folder the example imports, as a user's program would that depends on what it does. */
  readonly from: string;
  /** What the README takes for granted, as code that comes before the example. */
  readonly inputs?: string;
  /** Files that the example opens, by name; `debian` stands for the three files of the Debian guest. */
  readonly files?: "debian" | Readonly<Record<string, Uint8Array>>;
  /** What the example prints besides what its own comments say. */
  readonly prints?: RegExp;
}

export const examples: readonly ReadmeExample[] = [
  {
    // Run as it stands: it boots Debian.
    readme: "README.md",
    from: "cli",
    files: "debian",
    prints: /^Linux \S+ 6\.\S+riscv64 #\d+ SMP .*riscv64 GNU\/Linux\r?$/m,
  },
  { readme: "packages/cli/README.md", from: "cli" },
  { readme: "packages/interface/README.md", from: "interface" },
  { readme: "packages/wasm/README.md", from: "wasm" },
  { readme: "packages/mmu/README.md", from: "mmu" },
  {
    // A machine around the processor: a bus with no device, and a clock that stands still.
    readme: "packages/cpu/README.md",
    from: "cpu",
    inputs: `
      const bus = { covers: () => false, read: () => 0, write() {}, read64: () => 0n, write64() {} };
      const clock = { frequency: 10_000_000, now: () => 0 };`,
  },
  {
    readme: "packages/cpu/README.md",
    block: 1,
    from: "cpu",
    inputs: "const clock = { frequency: 10_000_000, now: () => 0 };",
  },
  {
    // A program that calls a function in a loop, for as long as it takes to be worth translating.
    readme: "packages/cpu/README.md",
    block: 2,
    from: "cpu",
    inputs: `
      import { assemble } from "@isomorph/cpu/asm";
      import type { Processor } from "@isomorph/cpu";
      const bus = { covers: () => false, read: () => 0, write() {}, read64: () => 0n, write64() {} };
      const clock = { frequency: 10_000_000, now: () => 0 };
      const ram = { memoryBase: 0x8000_0000, memorySize: 1 << 20 };
      const environment = { ...ram, harts: 1, bus, clock, firmware: "guest", log() {} } as const;
      const { bytes } = assemble("li s0, 20000; 1: jal f; addi s0, s0, -1; bnez s0, 1b; 2: wfi; j 2b; f: addi a0, a0, 1; ret");
      const run = (processor: Processor): void => {
        processor.memory.view(ram.memoryBase, bytes.length).set(bytes);
        processor.memory.markDirty(ram.memoryBase, bytes.length);
        while (processor.harts[0]?.run(100) !== "wait");
      };`,
  },
  {
    // A machine around the devices: a slot as a machine gives it, and a disk that reads as zeroes.
    readme: "packages/io/README.md",
    from: "io",
    inputs: `
      import type { BlockBackend, DeviceSlot } from "@isomorph/interface";
      import { testMemory } from "@isomorph/io/testing";
      const slot: DeviceSlot = {
        name: "disk", memory: testMemory(1 << 20), irq: { set() {} }, log() {}, defer() {},
      };
      const disk: BlockBackend = {
        size: 1 << 20, blockSize: 512, readOnly: true, read: (_, target) => void target.fill(0), write() {}, flush() {},
        discard() {}, writeZeroes() {}, extents: (offset, length) => [{ offset, length, kind: "hole" }], close() {},
      };`,
  },
  { readme: "packages/storage/README.md", from: "storage", files: { "debian.img": new Uint8Array(1 << 20) } },
  {
    // A kernel of our own that prints over SBI and powers off, on a disk that nobody reads.
    readme: "packages/hypervisor/README.md",
    from: "hypervisor",
    inputs: `
      import { assemble } from "@isomorph/cpu/asm";
      import { linuxImage } from "@isomorph/hypervisor";
      import type { BlockBackend } from "@isomorph/interface";
      const print = [..."Hello\\n"].map((letter) => "li a0, " + letter.charCodeAt(0) + "; ecall").join(";");
      const source = "li a7, 0x4442434e; li a6, 2;" + print + "; li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 0; ecall";
      const kernel = linuxImage(assemble(source).bytes);
      const trailer = "070701" + "0".repeat(88) + "0000000B" + "0".repeat(8) + "TRAILER!!!\\0\\0\\0\\0";
      const initrd = new TextEncoder().encode(trailer);
      const backend: BlockBackend = {
        size: 1 << 20, blockSize: 512, readOnly: true, read: (_, target) => void target.fill(0), write() {}, flush() {},
        discard() {}, writeZeroes() {}, extents: (offset, length) => [{ offset, length, kind: "hole" }], close() {},
      };
      const terminal = new WritableStream<Uint8Array>({ write: (bytes) => void process.stdout.write(bytes) });
      const { signal } = new AbortController();`,
    prints: /^Hello/m,
  },
];

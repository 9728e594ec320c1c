import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm, type VmConfig } from "../src/index.ts";
import { firmwareOf, kernelOf, sbi } from "./support/guest.ts";
import { chooser, ROUNDS } from "./support/hostile.ts";
import { concat, cpioEntry, elf, gzip } from "./support/images.ts";

const cpu = riscv64({ translationThreshold: 0 });
const kernel = kernelOf(sbi.shutdown);
const empty = new Uint8Array(0);

/** Creates the machine, runs it for a moment, and says how that ended: an outcome's reason or an error's code. */
async function tryImages(config: Partial<VmConfig>): Promise<string> {
  let vm: Awaited<ReturnType<typeof createVm>>;
  try {
    vm = await createVm({ cpu, memory: 4 << 20, ...config });
  } catch (error) {
    const { code, message, name } = error as Error & { code?: string };
    expect(message.length).toBeGreaterThan(20);
    expect(["VmError", "RangeError", "TypeError"]).toContain(name);
    return code ?? name;
  }
  const { reason } = await vm.run({ maxInstructions: 2000, signal: AbortSignal.timeout(5000) });
  await vm.close();
  return reason;
}

/** An ELF file with these program headers and nothing else. */
function headers(segments: readonly { gpa: number; file?: number; size: number }[]): Uint8Array {
  const at = 64 + segments.length * 56;
  const bytes = new Uint8Array(at + 4096);
  bytes.set(elf().subarray(0, 64));
  const view = new DataView(bytes.buffer);
  view.setUint16(56, segments.length, true);
  for (const [index, { gpa, file = 0, size }] of segments.entries()) {
    const header = 64 + index * 56;
    view.setUint32(header, 1, true);
    view.setBigUint64(header + 8, BigInt(at), true);
    view.setBigUint64(header + 16, BigInt(gpa), true);
    view.setBigUint64(header + 24, BigInt(gpa), true);
    view.setBigUint64(header + 32, BigInt(file), true);
    view.setBigUint64(header + 40, BigInt(size), true);
  }
  return bytes;
}

describe("images that are no images", () => {
  it.for([
    { name: "an empty kernel", images: { kernel: empty }, end: "ERR_KERNEL_EMPTY" },
    { name: "an empty initrd", images: { kernel, initrd: empty }, end: "ERR_INITRD_EMPTY" },
    { name: "empty firmware", images: { firmware: empty }, end: "ERR_FIRMWARE_EMPTY" },
    {
      name: "an initrd as large as memory",
      images: { kernel, initrd: new Uint8Array(4 << 20).fill(1) },
      end: "ERR_INITRD_TOO_LARGE",
    },
    {
      name: "firmware larger than memory",
      images: { firmware: new Uint8Array((4 << 20) + 1).fill(1) },
      end: "ERR_FIRMWARE_TOO_LARGE",
    },
    {
      name: "firmware that leaves no room for the device tree",
      images: { firmware: new Uint8Array(4 << 20).fill(1) },
      end: "ERR_DEVICETREE_TOO_LARGE",
    },
    {
      name: "a kernel whose header claims 2^63 bytes",
      images: { kernel: withWord(16, 1n << 63n) },
      end: "ERR_KERNEL_TOO_LARGE",
    },
    {
      name: "a kernel for an offset of 2^63",
      images: { kernel: withWord(8, 1n << 63n) },
      end: "ERR_KERNEL_TOO_LARGE",
    },
    {
      name: "an ELF file with 65535 segments that each fill memory",
      images: { kernel: headers(Array.from({ length: 65535 }, () => ({ gpa: 0x80000000, size: 4 << 20 }))) },
      end: "ERR_KERNEL_FORMAT",
    },
    {
      name: "an ELF file with segments that overlap by a byte",
      images: {
        kernel: headers([
          { gpa: 0x80001000, size: 4096 },
          { gpa: 0x80000000, file: 16, size: 4097 },
        ]),
      },
      end: "ERR_KERNEL_FORMAT",
    },
    {
      name: "an ELF file whose segment wraps at 2^64",
      images: { kernel: headers([{ gpa: 0x80000000, size: 2 ** 64 - 4096 }]) },
      end: "ERR_KERNEL_TOO_LARGE",
    },
    {
      name: "an ELF file whose segment lies below RAM",
      images: { kernel: headers([{ gpa: 0x7ffff000, size: 8192 }]) },
      end: "ERR_KERNEL_FORMAT",
    },
    { name: "an ELF file without segments", images: { kernel: headers([]) }, end: "ERR_KERNEL_FORMAT" },
    {
      name: "an ELF file whose entry holds nothing",
      images: { firmware: headers([{ gpa: 0x80000000, size: 4096 }]) },
      end: "crashed",
    },
    {
      name: "an initrd whose archive leads back to itself",
      images: { kernel, initrd: withField(54, "-0000074") },
      end: "ERR_INITRD_TRUNCATED",
    },
    {
      name: "an initrd whose entry has a name of negative length",
      images: { kernel, initrd: withField(94, "-000006e") },
      end: "ERR_INITRD_TRUNCATED",
    },
  ])("$name", async ({ images, end }) => {
    expect(await tryImages(images)).toBe(end);
  });

  it("a kernel that is zeroes for a gigabyte when decompressed takes no more than guest memory", async () => {
    const bomb = await gzip(concat(...Array.from({ length: 64 }, () => new Uint8Array(1 << 20))));
    const before = process.memoryUsage();
    expect(await tryImages({ kernel: bomb })).toBe("ERR_KERNEL_TOO_LARGE");
    expect(process.memoryUsage().external - before.external).toBeLessThan(48 << 20);
  });

  it("random bytes with the start of every format", async () => {
    const { below, pick, word } = chooser(77);
    const starts = [
      elf(),
      kernel,
      await gzip(kernel),
      concat(cpioEntry("a", new Uint8Array(8)), cpioEntry("TRAILER!!!", empty)),
    ];
    const ends = new Set<string>();
    for (let round = 0; round < 60 * ROUNDS; round++) {
      const noise = Uint8Array.from({ length: 64 + below(3000) }, () => word());
      const start = pick(starts);
      noise.set(start.subarray(0, Math.min(noise.length, pick([4, 16, 64, 128, start.length]))));
      const images = pick([{ kernel: noise }, { firmware: noise }, { kernel, initrd: noise }]);
      ends.add(await tryImages(images));
    }
    expect(ends.size).toBeGreaterThan(5);
  });
});

function withWord(offset: number, value: bigint): Uint8Array {
  const image = kernel.slice();
  new DataView(image.buffer).setBigUint64(offset, value, true);
  return image;
}

function withField(offset: number, text: string): Uint8Array {
  const archive = concat(cpioEntry("abc", new Uint8Array(0)), cpioEntry("TRAILER!!!", empty));
  archive.set(new TextEncoder().encode(text), offset);
  return archive;
}

describe("machines that are too small or too large", () => {
  it("boot, or say what they have no room for", async () => {
    const firmware = firmwareOf("li t0, 0x100000; li t1, 0x5555; sw t1, 0(t0); j .");
    const ends = new Map<string, number>();
    for (const pages of [16, 17, 22, 28, 40, 512, 513, 516, 519, 521, 524, 530, 538, 545, 560, 1025, 1040]) {
      for (const images of [
        { firmware },
        { kernel },
        { firmware, kernel },
        { kernel, initrd: new Uint8Array(70_000).fill(1) },
      ]) {
        const end = await tryImages({ ...images, memory: pages * 4096, harts: 8 });
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }
    }
    expect([...ends.keys()].sort()).toEqual([
      "ERR_DEVICETREE_TOO_LARGE",
      "ERR_INITRD_TOO_LARGE",
      "ERR_KERNEL_TOO_LARGE",
      "power-off",
    ]);
  });

  it.for([
    17 * 2 ** 30,
    16 * 2 ** 30,
    2 ** 52,
    1 << 15,
    (1 << 20) + 1,
    0,
    -4096,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])("%s bytes of memory are a RangeError with the number in it", async (memory) => {
    await expect(createVm({ cpu, kernel, memory })).rejects.toThrow(RangeError);
    await expect(createVm({ cpu, kernel, memory })).rejects.toThrow(String(memory));
  });

  it("command lines are limited and free of NUL", async () => {
    expect(await tryImages({ kernel, cmdline: "x".repeat(4096) })).toBe("power-off");
    expect(await tryImages({ kernel, cmdline: "x".repeat(4097) })).toBe("RangeError");
    expect(await tryImages({ kernel, cmdline: "\u{1f600}".repeat(2048) })).toBe("power-off");
    expect(await tryImages({ kernel, cmdline: "a\0b" })).toBe("RangeError");
    expect(await tryImages({ kernel, cmdline: "\ud800" })).toBe("power-off");
  });
});

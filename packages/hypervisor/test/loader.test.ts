import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elfSymbols, planElf } from "../src/loader/elf.ts";
import { FW_DYNAMIC_INFO_SIZE, fwDynamicInfo, planFirmware } from "../src/loader/firmware.ts";
import { identify } from "../src/loader/identify.ts";
import { checkInitrd } from "../src/loader/initrd.ts";
import { planKernel } from "../src/loader/kernel.ts";
import { linuxImage, parseLinuxImage } from "../src/loader/linux-image.ts";
import { placeTables } from "../src/loader/placement.ts";
import { concat, cpioEntry, elf, gzip, pe, signature } from "./support/images.ts";

const RAM = 0x80000000;
const MIB = 1 << 20;
const memory = { base: RAM, size: 64 * MIB };
const codes = /^ERR_(KERNEL|FIRMWARE|INITRD)_(EMPTY|TRUNCATED|FORMAT|ARCHITECTURE|COMPRESSED|TOO_LARGE)$/;

const kernel = (bytes: Uint8Array) => planKernel(bytes, memory, RAM);
const failure = async (bytes: Uint8Array): Promise<{ code: string; message: string }> => {
  try {
    await kernel(bytes);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("expected a failure");
};

describe("RISC-V Linux Image (Documentation/arch/riscv/boot-image-header)", () => {
  const code = new Uint8Array(1000).fill(0x13);

  it("goes to text_offset and takes image_size", async () => {
    const image = linuxImage(code, { imageSize: 3 * MIB });
    const plan = await kernel(image);
    expect(plan).toMatchObject({ entry: RAM + 2 * MIB, end: RAM + 5 * MIB });
    expect(plan.segments).toEqual([{ gpa: RAM + 2 * MIB, bytes: image, size: 3 * MIB }]);
  });

  it("starts at once when decompressed from gzip", async () => {
    const plan = await kernel(await gzip(linuxImage(code)));
    expect(plan.entry).toBe(RAM + 2 * MIB);
    expect(plan.segments[0]?.bytes.subarray(64)).toEqual(code);
  });

  it("goes above firmware, at a multiple of 2 MiB", async () => {
    const plan = await planKernel(linuxImage(code, { textOffset: 0 }), memory, RAM + 2 * MIB + 1);
    expect(plan.entry).toBe(RAM + 4 * MIB);
  });

  it("takes at least its own length when image_size is 0", async () => {
    expect((await kernel(linuxImage(code, { imageSize: 0 }))).end).toBe(RAM + 2 * MIB + 1064);
  });

  it("says how much memory a kernel needs that is too large", async () => {
    const error = await failure(linuxImage(code, { imageSize: 63 * MIB }));
    expect(error.code).toBe("ERR_KERNEL_TOO_LARGE");
    expect(error.message).toContain("65.0 MiB");
    expect(error.message).toContain("raise `memory`");
  });

  it("refuses a big-endian kernel", async () => {
    const image = linuxImage(code);
    image[24] = 1;
    expect((await failure(image)).code).toBe("ERR_KERNEL_ARCHITECTURE");
  });

  it("notices by the EFI section table that the file is cut short", async () => {
    const whole = linuxImage(new Uint8Array(8192));
    const view = new DataView(whole.buffer);
    view.setUint16(0, 0x5a4d, true);
    view.setUint32(60, 64, true);
    whole.set(new TextEncoder().encode("PE\0\0"), 64);
    view.setUint16(68, 0x5064, true);
    view.setUint16(70, 1, true); // one section
    view.setUint32(88 + 16, 4096, true);
    view.setUint32(88 + 20, whole.length - 4096, true);
    expect(parseLinuxImage(whole).textOffset).toBe(2 * MIB);
    for (const length of [whole.length - 1, 4096, 100, 80]) {
      expect((await failure(whole.slice(0, length))).code).toBe("ERR_KERNEL_TRUNCATED");
    }
  });
});

describe("ELF64 executables (System V gABI, RISC-V psABI)", () => {
  it("go to their physical addresses; the entry point is translated", () => {
    const file = elf({
      vaddr: 0xffffffff80000000n,
      paddr: 0x80200000n,
      entry: 0xffffffff80000010n,
      memorySize: 4096,
    });
    const plan = planElf(file, memory, "KERNEL");
    expect(plan).toMatchObject({ entry: 0x80200010, end: 0x80201000 });
    expect(plan.segments).toMatchObject([{ gpa: 0x80200000, size: 4096 }]);
    expect(plan.segments[0]?.bytes.length).toBe(32);
  });

  it("give the symbols that are asked for", () => {
    const file = elf({ symbols: { tohost: 0x80001000n, fromhost: 0x80001040n, tohost2: 1n } });
    expect(elfSymbols(file, ["tohost", "fromhost", "begin_signature"])).toEqual(
      new Map([
        ["tohost", 0x80001000],
        ["fromhost", 0x80001040],
      ]),
    );
    expect(elfSymbols(elf(), ["tohost"]).size).toBe(0);
  });

  it.each([
    ["for x86-64", { machine: 62 }, "ERR_KERNEL_ARCHITECTURE", "x86-64"],
    ["for ARM64", { machine: 183 }, "ERR_KERNEL_ARCHITECTURE", "ARM64"],
    ["for an unknown machine", { machine: 9999 }, "ERR_KERNEL_ARCHITECTURE", "9999"],
    ["for 32-bit RISC-V", { class: 1 }, "ERR_KERNEL_ARCHITECTURE", "32-bit"],
    ["big-endian", { data: 2 }, "ERR_KERNEL_ARCHITECTURE", "big-endian"],
    ["relocatable", { type: 1 }, "ERR_KERNEL_FORMAT", "link it"],
    ["outside RAM", { paddr: 0n, entry: 0n }, "ERR_KERNEL_FORMAT", "outside RAM"],
    ["beyond RAM", { memorySize: 65 * MIB }, "ERR_KERNEL_TOO_LARGE", "raise `memory`"],
    ["with its entry nowhere", { entry: 0x1234n }, "ERR_KERNEL_FORMAT", "entry point 0x1234"],
    ["with more in the file than in memory", { memorySize: 8 }, "ERR_KERNEL_FORMAT", "segment 0"],
  ])("%s are refused", async (_, options, code, text) => {
    const error = await failure(elf(options));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });
});

describe("what is no kernel is named", () => {
  it.each([
    ["an empty file", new Uint8Array(0), "ERR_KERNEL_EMPTY", "0 bytes"],
    ["a few bytes", new Uint8Array(40).fill(1), "ERR_KERNEL_TRUNCATED", "40 bytes"],
    ["noise", new Uint8Array(5000).fill(0xa5), "ERR_KERNEL_FORMAT", "expected a RISC-V Linux Image"],
    ["an x86 bzImage", signature(0x202, "HdrS"), "ERR_KERNEL_ARCHITECTURE", "bzImage"],
    ["an ARM64 Image", signature(56, "ARMd"), "ERR_KERNEL_ARCHITECTURE", "ARM64"],
    ["a PE file for x86-64", pe(0x8664), "ERR_KERNEL_ARCHITECTURE", "x86-64"],
    ["a PE file for RISC-V", pe(0x5064), "ERR_KERNEL_FORMAT", "RISC-V"],
    ["an MS-DOS program", signature(0, "MZ"), "ERR_KERNEL_FORMAT", "MS-DOS"],
    ["an EFI zboot kernel", signature(0, "MZ\0\0zimg"), "ERR_KERNEL_COMPRESSED", "zboot"],
    ["an xz file", signature(0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), "ERR_KERNEL_COMPRESSED", "decompress it"],
    ["a Zstandard file", signature(0, [0x28, 0xb5, 0x2f, 0xfd]), "ERR_KERNEL_COMPRESSED", "Zstandard"],
    ["an initrd", signature(0, "070701"), "ERR_KERNEL_FORMAT", "as the initrd"],
    ["a disk", signature(1080, [0x53, 0xef]), "ERR_KERNEL_FORMAT", "as a disk"],
    ["a Debian package", signature(0, "!<arch>\n"), "ERR_KERNEL_FORMAT", "Debian package"],
    ["damaged gzip", signature(0, [0x1f, 0x8b, 8, 0]), "ERR_KERNEL_COMPRESSED", "damaged"],
  ])("%s", async (_, bytes, code, text) => {
    const error = await failure(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it("gzip within gzip, and a gzip bomb, are refused in bounded memory", async () => {
    const image = await gzip(await gzip(linuxImage(new Uint8Array(100))));
    expect((await failure(image)).code).toBe("ERR_KERNEL_FORMAT");
    const bomb = await gzip(new Uint8Array(memory.size + 1));
    expect((await failure(bomb)).code).toBe("ERR_KERNEL_TOO_LARGE");
  });

  it("a truncated gzip file is refused", async () => {
    const whole = await gzip(linuxImage(crypto.getRandomValues(new Uint8Array(20_000))));
    for (const length of [3, 10, 5000, whole.length - 1]) {
      expect((await failure(whole.slice(0, length))).code).toBe("ERR_KERNEL_COMPRESSED");
    }
  });

  it("an aborted signal ends decompression with its reason", async () => {
    const image = await gzip(linuxImage(new Uint8Array(100)));
    await expect(planKernel(image, memory, RAM, AbortSignal.abort("enough"))).rejects.toBe("enough");
  });
});

describe("firmware", () => {
  it("as a raw binary goes to the start of RAM", () => {
    const bytes = new Uint8Array(1000).fill(0x13);
    expect(planFirmware(bytes, memory)).toMatchObject({ entry: RAM, end: RAM + 1000 });
  });

  it("gets struct fw_dynamic_info (OpenSBI, docs/firmware/fw_dynamic.md)", () => {
    const info = fwDynamicInfo(0x80200000);
    expect(info.length).toBe(FW_DYNAMIC_INFO_SIZE);
    const words = [...new BigUint64Array(info.buffer)];
    expect(words).toEqual([0x4942534fn, 2n, 0x80200000n, 1n, 0n, 0n]);
  });

  it.each([
    ["empty", new Uint8Array(0), "ERR_FIRMWARE_EMPTY"],
    ["a kernel", linuxImage(new Uint8Array(8)), "ERR_FIRMWARE_FORMAT"],
    ["for ARM64", elf({ machine: 183 }), "ERR_FIRMWARE_ARCHITECTURE"],
    ["compressed", signature(0, [0x1f, 0x8b]), "ERR_FIRMWARE_COMPRESSED"],
    ["an x86 kernel", signature(0x202, "HdrS"), "ERR_FIRMWARE_ARCHITECTURE"],
    ["larger than memory", new Uint8Array(memory.size + 4096), "ERR_FIRMWARE_TOO_LARGE"],
  ])("that is %s is refused", (_, bytes, code) => {
    expect(() => planFirmware(bytes, memory)).toThrow(expect.objectContaining({ code }));
  });
});

describe("initial RAM disks", () => {
  const trailer = cpioEntry("TRAILER!!!", new Uint8Array(0));
  const archive = concat(
    cpioEntry("init", new Uint8Array(100).fill(1)),
    cpioEntry("etc", new Uint8Array(0)),
    trailer,
  );

  it("of every compression are taken", async () => {
    checkInitrd(archive);
    checkInitrd(await gzip(archive));
    checkInitrd(concat(archive, new Uint8Array(400), await gzip(archive)));
    checkInitrd(signature(0, [0x28, 0xb5, 0x2f, 0xfd]));
    checkInitrd(signature(1080, [0x53, 0xef]));
  });

  it("are refused at every length short of the trailer", () => {
    const cut = archive.length - trailer.length;
    for (let length = 6; length <= cut; length++) {
      expect(() => checkInitrd(archive.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "ERR_INITRD_TRUNCATED" }),
      );
    }
  });

  it.each([
    ["empty", new Uint8Array(0), "ERR_INITRD_EMPTY"],
    ["an ELF file", elf(), "ERR_INITRD_FORMAT"],
    ["a kernel", linuxImage(new Uint8Array(4)), "ERR_INITRD_FORMAT"],
    ["an x86 kernel", signature(0x202, "HdrS"), "ERR_INITRD_FORMAT"],
  ])("that are %s are refused", (_, bytes, code) => {
    expect(() => checkInitrd(bytes)).toThrow(expect.objectContaining({ code }));
  });
});

describe("placement", () => {
  it("puts the initrd above the images and the device tree at the top, apart from each other", () => {
    const places = placeTables(memory, RAM + 10 * MIB + 5, { initrd: MIB, devicetree: 5000 });
    expect(places.initrd).toBe(RAM + 12 * MIB);
    expect(places.devicetree % (2 * MIB)).toBe(0);
    expect(places.firmwareInfo).toBe(places.devicetree - 4096);
  });

  it("never lets two parts overlap, and says so when there is no room", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4000 }),
        fc.option(fc.integer({ min: 1, max: 16 * MIB }), { nil: undefined }),
        fc.integer({ min: 100, max: 20_000 }),
        fc.integer({ min: 16, max: 4096 }),
        (endPage, initrd, devicetree, pages) => {
          const range = { base: RAM, size: pages * 4096 };
          const end = RAM + Math.min(endPage, pages) * 4096;
          let places: ReturnType<typeof placeTables>;
          try {
            places = placeTables(range, end, { initrd, devicetree });
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^ERR_(INITRD|DEVICETREE)_TOO_LARGE$/);
            return;
          }
          const initrdEnd = places.initrd === undefined ? end : places.initrd + (initrd ?? 0);
          expect(places.initrd ?? end).toBeGreaterThanOrEqual(end);
          expect(places.firmwareInfo).toBeGreaterThanOrEqual(initrdEnd);
          expect(places.devicetree).toBeGreaterThanOrEqual(places.firmwareInfo + FW_DYNAMIC_INFO_SIZE);
          expect(places.devicetree + devicetree).toBeLessThanOrEqual(RAM + range.size);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("damaged images", () => {
  const code = new Uint8Array(300).fill(0x13);
  const efi = linuxImage(new Uint8Array(2000));
  new DataView(efi.buffer).setUint16(0, 0x5a4d, true);
  new DataView(efi.buffer).setUint32(60, 64, true);
  efi.set(new TextEncoder().encode("PE\0\0"), 64);
  const images = [linuxImage(code), efi, elf({ symbols: { tohost: 0x80000000n } }), pe(0x8664)];

  /** Loads, or fails with one of the codes: nothing else. And a plan lies in memory. */
  async function check(bytes: Uint8Array): Promise<void> {
    identify(bytes);
    try {
      const plan = await planKernel(bytes, memory, RAM);
      for (const { gpa, size, bytes: content } of plan.segments) {
        expect(gpa).toBeGreaterThanOrEqual(RAM);
        expect(gpa + size).toBeLessThanOrEqual(RAM + memory.size);
        expect(content.length).toBeLessThanOrEqual(size);
      }
      expect(plan.entry).toBeGreaterThanOrEqual(RAM);
      expect(plan.entry).toBeLessThan(plan.end);
    } catch (error) {
      expect((error as { code?: string }).code, String(error)).toMatch(codes);
    }
    for (const other of [
      () => planFirmware(bytes, memory),
      () => checkInitrd(bytes),
      () => elfSymbols(bytes, ["tohost"]),
    ]) {
      try {
        other();
      } catch (error) {
        expect((error as { code?: string }).code, String(error)).toMatch(codes);
      }
    }
  }

  it("cut off at every length load or fail clearly", async () => {
    for (const image of images) {
      for (let length = 0; length < image.length; length++) await check(image.slice(0, length));
    }
  });

  it("with flipped bits load or fail clearly", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...images),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
        async (image, flips) => {
          const damaged = image.slice();
          for (const [at, mask] of flips) {
            const index = at % Math.min(damaged.length, 256);
            damaged[index] = (damaged[index] ?? 0) ^ mask;
          }
          await check(damaged);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

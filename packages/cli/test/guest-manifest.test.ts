import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyExtents, sha256File } from "../src/guest/checksum.ts";
import {
  describeArtefact,
  type GuestManifest,
  markVerified,
  verifyGuest,
  writeManifest,
} from "../src/guest/manifest.ts";

const extents = [
  [0, 4096],
  [2 * 1024 * 1024, 1024 * 1024 + 5],
] as const;
let folder: string;
let manifest: GuestManifest;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "guest-manifest-"));
  writeFileSync(join(folder, "vmlinux"), "kernel");
  writeFileSync(join(folder, "initrd.img"), "initrd");
  const root = new Uint8Array(3 * 1024 * 1024 + 5);
  root[2 * 1024 * 1024] = 1;
  writeFileSync(join(folder, "root.ext4"), root);
  manifest = {
    format: 1,
    digest: "00".repeat(32),
    suite: "trixie",
    architecture: "riscv64",
    kernelRelease: "6.12",
    time: 0,
    packages: [],
    artefacts: {
      kernel: await describeArtefact(folder, "vmlinux"),
      initrd: await describeArtefact(folder, "initrd.img"),
      root: await describeArtefact(folder, "root.ext4", { extents }),
    },
  };
  await writeManifest(folder, manifest);
  await markVerified(folder, manifest);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(thorough = false): Promise<string | undefined> {
  let reason: string | undefined;
  const found = await verifyGuest(folder, {
    thorough,
    onRefusal: (text) => {
      reason = text;
    },
  });
  expect(found === undefined).toBe(reason !== undefined);
  return reason;
}

describe("a guest in the cache", () => {
  it("is taken without reading it when nothing touched it", async () => {
    const read: string[] = [];
    expect(await verifyGuest(folder, { onHash: (file) => read.push(file) })).toEqual(manifest);
    expect(read).toEqual([]);
  });

  it("is read once after its files were copied or touched", async () => {
    utimesSync(join(folder, "root.ext4"), 1, 1);
    const read: string[] = [];
    const onHash = (file: string): void => void read.push(file);
    expect(await verifyGuest(folder, { onHash })).toEqual(manifest);
    expect(read).toEqual(["vmlinux", "initrd.img", "root.ext4"]);
    await verifyGuest(folder, { onHash });
    expect(read).toHaveLength(3);
  });

  it.each([
    ["vmlinux", 0],
    ["initrd.img", 5],
    ["root.ext4", 4095],
    ["root.ext4", 2 * 1024 * 1024],
    ["root.ext4", 3 * 1024 * 1024 + 4],
  ])("is refused when a byte of %s at %i is wrong", async (file, at) => {
    const bytes = readFileSync(join(folder, file));
    bytes[at] = bytes[at]! ^ 0x40;
    writeFileSync(join(folder, file), bytes);
    expect(await refusal()).toBe(`${file} has another checksum`);
  });

  it("is refused when a file is short, missing, or the manifest is damaged", async () => {
    truncateSync(join(folder, "root.ext4"), 1024 * 1024);
    expect(await refusal()).toBe("root.ext4 has another size");
    rmSync(join(folder, "root.ext4"));
    expect(await refusal()).toBe("a file is missing");
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '{"format":1}',
      '{"format":2}',
      '{"format":1,"artefacts":{}}',
    ]) {
      writeFileSync(join(folder, "manifest.json"), text);
      expect(await refusal()).toBe("there is no readable manifest");
    }
    for (const bad of [
      [[0, 0]],
      [[-1, 5]],
      [[0, 1e9]],
      [
        [0, 8],
        [4, 8],
      ],
      [[0, 1.5]],
      ["x"],
      {},
    ]) {
      const root = { ...manifest.artefacts.root, extents: bad };
      const text = JSON.stringify({ ...manifest, artefacts: { ...manifest.artefacts, root } });
      writeFileSync(join(folder, "manifest.json"), text);
      expect(await refusal()).toBe("there is no readable manifest");
    }
    const outside = {
      ...manifest,
      artefacts: { ...manifest.artefacts, kernel: { ...manifest.artefacts.kernel, file: "../x" } },
    };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(outside));
    expect(await refusal()).toBe("there is no readable manifest");
  });

  it("is read in full when asked to, whatever its times say", async () => {
    const read: string[] = [];
    await verifyGuest(folder, { thorough: true, onHash: (file) => read.push(file) });
    expect(read).toHaveLength(3);
  });
});

describe("checksums", () => {
  it("agree with published values", async () => {
    writeFileSync(join(folder, "abc"), "abc");
    expect(await sha256File(join(folder, "abc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("of extents agree with those of the parts in one file", async () => {
    const parts = Buffer.concat(
      extents.map(([at, length]) => readFileSync(join(folder, "root.ext4")).subarray(at, at + length)),
    );
    writeFileSync(join(folder, "parts"), parts);
    expect(manifest.artefacts.root.sha256).toBe(await sha256File(join(folder, "parts")));
    await expect(sha256File(join(folder, "parts"), { extents })).rejects.toThrow(/within an extent/);
  });
});

describe("a copy by extents", () => {
  it("equals its source and leaves holes", async () => {
    const [from, to] = [join(folder, "root.ext4"), join(folder, "copy")];
    await copyExtents(from, to, extents);
    expect(Buffer.compare(readFileSync(from), readFileSync(to))).toBe(0);
    expect(statSync(to).blocks * 512).toBeLessThan(2 * 1024 * 1024);
    await expect(copyExtents(from, to, extents)).rejects.toMatchObject({ code: "EEXIST" });
  });

  it("that fails leaves nothing", async () => {
    const to = join(folder, "copy");
    await expect(copyExtents(join(folder, "vmlinux"), to, extents)).rejects.toThrow();
    await expect(copyExtents(join(folder, "root.ext4"), to, extents, AbortSignal.abort())).rejects.toThrow();
    expect(existsSync(to)).toBe(false);
  });
});

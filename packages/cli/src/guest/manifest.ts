import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ArchivePackage } from "./apt-private.ts";
import { type Extent, sha256File } from "./checksum.ts";

/** A finished file of a guest. */
export interface GuestArtefact {
  /** Name within the guest's folder. */
  readonly file: string;
  /** Length in bytes. */
  readonly size: number;
  /** SHA-256 of the file, or of its extents one after the other; in lower-case hexadecimal. */
  readonly sha256: string;
  /** The parts that hold anything, ascending, where the rest is holes. */
  readonly extents?: readonly Extent[];
}

/** What a guest was made from and what it consists of; lies beside it as `manifest.json`. */
export interface GuestManifest {
  readonly format: 1;
  /** Names the inputs: equal digests mean equal packages, recipe and size. */
  readonly digest: string;
  readonly suite: string;
  readonly architecture: string;
  /** As `uname -r` prints it. */
  readonly kernelRelease: string;
  /** Time of the newest file in the packages, seconds since 1970: the image's own time. */
  readonly time: number;
  readonly packages: readonly Pick<ArchivePackage, "name" | "version" | "sha256">[];
  readonly artefacts: {
    readonly kernel: GuestArtefact;
    readonly initrd: GuestArtefact;
    readonly root: GuestArtefact;
  };
}

const MANIFEST = "manifest.json";
const VERIFIED = "verified.json";

/** Describes a file that was just made. */
export async function describeArtefact(
  folder: string,
  file: string,
  options: { readonly extents?: readonly Extent[]; readonly signal?: AbortSignal | undefined } = {},
): Promise<GuestArtefact> {
  const path = join(folder, file);
  const { size } = await stat(path);
  const { extents } = options;
  return { file, size, sha256: await sha256File(path, options), ...(extents && { extents }) };
}

/** Writes the manifest of a folder. */
export async function writeManifest(folder: string, manifest: GuestManifest): Promise<void> {
  await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * Remembers how the artefacts' files look from outside (inode, size, times of change), so that the next start
 * can tell without reading them that nobody touched them.
 */
export async function markVerified(folder: string, manifest: GuestManifest): Promise<void> {
  await writeFile(join(folder, VERIFIED), await stamps(folder, manifest));
}

/**
 * Reads a manifest and checks its artefacts: by their stamps, or by their SHA-256 where a stamp differs or
 * `thorough` is set.
 * @returns the manifest, or undefined with the reason told to `onRefusal`.
 */
export async function verifyGuest(
  folder: string,
  options: {
    readonly thorough?: boolean | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly onRefusal?: (reason: string) => void;
    readonly onHash?: (file: string) => void;
  } = {},
): Promise<GuestManifest | undefined> {
  const refuse = (reason: string): undefined => void options.onRefusal?.(reason);
  const manifest = parseManifest(await readFile(join(folder, MANIFEST), "utf8").catch(() => ""));
  if (manifest === undefined) return refuse("there is no readable manifest");
  const present = await stamps(folder, manifest).catch(() => undefined);
  if (present === undefined) return refuse("a file is missing");
  const known = await readFile(join(folder, VERIFIED), "utf8").catch(() => "");
  if (present === known && options.thorough !== true) return manifest;
  for (const { file, size, sha256, extents } of Object.values(manifest.artefacts)) {
    const path = join(folder, file);
    if ((await stat(path)).size !== size) return refuse(`${file} has another size`);
    options.onHash?.(file);
    if ((await sha256File(path, { extents, signal: options.signal })) !== sha256)
      return refuse(`${file} has another checksum`);
  }
  await markVerified(folder, manifest);
  return manifest;
}

async function stamps(folder: string, manifest: GuestManifest): Promise<string> {
  const lines: string[] = [];
  for (const { file, size, sha256 } of Object.values(manifest.artefacts)) {
    const status = await stat(join(folder, file), { bigint: true });
    lines.push(
      JSON.stringify([
        file,
        size,
        sha256,
        [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(),
      ]),
    );
  }
  return `${lines.join("\n")}\n`;
}

function parseManifest(text: string): GuestManifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value.format !== 1 || !isRecord(value.artefacts)) return undefined;
  const { kernel, initrd, root } = value.artefacts;
  const sound =
    [kernel, initrd, root].every(isArtefact) &&
    [value.digest, value.suite, value.architecture, value.kernelRelease].every(
      (field) => typeof field === "string",
    ) &&
    Number.isSafeInteger(value.time) &&
    Array.isArray(value.packages);
  return sound ? (value as unknown as GuestManifest) : undefined;
}

function isArtefact(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.file === "string" &&
    /^[a-z0-9.]+$/.test(value.file) &&
    Number.isSafeInteger(value.size) &&
    typeof value.sha256 === "string" &&
    (value.extents === undefined || areExtents(value.extents, Number(value.size)))
  );
}

function areExtents(value: unknown, size: number): boolean {
  let end = 0;
  return (
    Array.isArray(value) &&
    value.every((extent: unknown) => {
      if (!Array.isArray(extent) || extent.length !== 2) return false;
      const [offset, length]: unknown[] = extent;
      if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return false;
      const fits = Number(offset) >= end && Number(length) > 0 && Number(offset) + Number(length) <= size;
      end = Number(offset) + Number(length);
      return fits;
    })
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

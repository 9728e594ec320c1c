import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ArchivePackage } from "./apt-private.ts";
import type { Extent } from "./checksum.ts";
import { configureSystem, GUEST_NAME } from "./configure.ts";
import { writeDpkgDatabase } from "./dpkg-database.ts";
import { guestError } from "./errors.ts";
import { writeExt4 } from "./ext4.ts";
import { type Staging, type UnpackedPackage, unpackDeb } from "./extract.ts";
import { contentBytes, FileTree } from "./file-tree.ts";
import type { HostTools } from "./host-tools.ts";
import { buildInitramfs } from "./initramfs.ts";
import { type KernelModule, moduleName, selectModules } from "./kernel-modules.ts";
import { writeModuleIndexes } from "./module-index.ts";
import {
  INITRD_MODULES,
  INITRD_PACKAGE,
  isWanted,
  KERNEL_PACKAGE,
  KERNEL_PREFIX,
  MODULE_PREFIXES,
} from "./packages.ts";
import type { OnGuestProgress } from "./progress.ts";

/** What {@link composeGuest} works on. */
export interface ComposeOptions {
  readonly packages: readonly ArchivePackage[];
  readonly fileOf: (archivePackage: ArchivePackage) => string;
  /** Folder for what is temporary. */
  readonly work: string;
  /** Folder that takes `vmlinux`, `initrd.img` and `root.ext4`. */
  readonly finished: string;
  readonly size: number;
  readonly digest: string;
  readonly tools: HostTools;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: OnGuestProgress;
}

/** What {@link composeGuest} tells of its work. */
export interface ComposedGuest {
  readonly kernelRelease: string;
  /** Time of the newest file in the packages, seconds since 1970. */
  readonly time: number;
  /** The parts of `root.ext4` that hold anything. */
  readonly extents: readonly Extent[];
}

/** Makes the artefacts of a guest from package files that were checked before. */
export async function composeGuest(options: ComposeOptions): Promise<ComposedGuest> {
  const { packages, fileOf, work, finished, tools, signal, onProgress } = options;
  const staging: Staging = { directory: join(work, "staging"), count: 0 };
  await mkdir(staging.directory, { recursive: true });

  const kernelPackage = packages.find(
    ({ name }) => name.startsWith(KERNEL_PREFIX) && name !== KERNEL_PACKAGE,
  );
  if (kernelPackage === undefined) throw guestError("ERR_GUEST_ARCHIVE", "apt chose no kernel");
  const total = packages.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const advance = (entry: ArchivePackage): void => {
    done += entry.size;
    onProgress({ step: "unpack", message: `unpacking ${entry.name}`, done, total, unit: "bytes" });
  };

  const tree = new FileTree();
  // The largest by far, and nothing else of it mixes with the others: it is unpacked meanwhile.
  const kernelLater = unpackKernel(fileOf(kernelPackage), kernelPackage.name, options).then((result) => {
    advance(kernelPackage);
    return result;
  });
  kernelLater.catch(() => {});
  const busybox = await unpackBusybox(packages, options, staging, advance);
  const unpacked: UnpackedPackage[] = [];
  // The first one brings the links that make /bin and its like parts of /usr.
  const rest = packages.filter(({ name }) => !name.startsWith(KERNEL_PREFIX) && name !== INITRD_PACKAGE);
  for (const entry of rest.toSorted(
    (a, b) => Number(b.name === "base-files") - Number(a.name === "base-files"),
  )) {
    unpacked.push(
      await unpackDeb(fileOf(entry), entry.name, tree, staging, { tools, wanted: isWanted, signal }),
    );
    advance(entry);
  }
  unpacked.sort((a, b) => (a.name < b.name ? -1 : 1));
  const kernel = await kernelLater;

  onProgress({ step: "configure", message: "configuring the system" });
  let time = 0;
  for (const { node } of tree.walk()) time = Math.max(time, node.mtime);
  const early: ReadonlySet<string> = new Set([
    ...INITRD_MODULES.always,
    ...Object.values(INITRD_MODULES.byDevice),
    ...Object.values(INITRD_MODULES.byFileSystem).flat(),
  ]);
  const wantedModule = (path: string): boolean =>
    early.has(moduleName(path)) || MODULE_PREFIXES.some((prefix) => path.startsWith(`kernel/${prefix}`));
  const modules = await selectModules(kernel.modules, wantedModule, join(work, "modules"), { tools, signal });
  addModules(tree, kernel, modules);
  configureSystem(tree, time);
  writeDpkgDatabase(tree, unpacked);
  for (const { node } of tree.walk()) if (node.mtime === 0) node.mtime = time;
  tree.root.mtime = time;

  onProgress({ step: "initrd", message: "composing the initrd" });
  await writeFile(join(finished, "vmlinux"), kernel.image);
  await writeFile(join(finished, "initrd.img"), buildInitramfs(busybox, modules, time));

  onProgress({ step: "root", message: "writing the root file system" });
  const uuid = uuidOf(options.digest);
  const extents = await writeExt4(join(finished, "root.ext4"), tree, {
    size: options.size,
    label: GUEST_NAME,
    uuid,
    time,
    staging,
    tools,
    signal,
  });
  for (const name of ["vmlinux", "initrd.img", "root.ext4"]) await chmod(join(finished, name), 0o444);
  return { kernelRelease: kernel.release, time, extents };
}

/** What the kernel's package holds. */
interface KernelFiles {
  readonly release: string;
  readonly image: Uint8Array;
  /** Compressed modules, and the lists beside them, by path below the release's folder. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  readonly lists: ReadonlyMap<string, Uint8Array>;
}

async function unpackKernel(
  deb: string,
  name: string,
  { tools, signal, work }: ComposeOptions,
): Promise<KernelFiles> {
  const release = name.slice(KERNEL_PREFIX.length);
  const folder = `usr/lib/modules/${release}/`;
  const imagePath = `boot/vmlinux-${release}`;
  const modules = new Map<string, Uint8Array>();
  const lists = new Map<string, Uint8Array>();
  let image: Uint8Array | undefined;
  const nowhere: Staging = { directory: work, count: 0 };
  await unpackDeb(deb, name, new FileTree(), nowhere, {
    tools,
    signal,
    wanted: (path) => path.startsWith(folder) || path === imagePath,
    onFile: ({ path }, body) => {
      if (path === imagePath) image = body;
      else (path.endsWith(".ko.xz") ? modules : lists).set(path.slice(folder.length), body);
      return true;
    },
  });
  if (image === undefined) throw guestError("ERR_GUEST_ARCHIVE", `the package ${name} has no /${imagePath}`);
  return { release, image, modules, lists };
}

async function unpackBusybox(
  packages: readonly ArchivePackage[],
  { fileOf, tools, signal }: ComposeOptions,
  staging: Staging,
  advance: (entry: ArchivePackage) => void,
): Promise<Uint8Array> {
  const entry = packages.find(({ name }) => name === INITRD_PACKAGE);
  const tree = new FileTree();
  if (entry !== undefined) {
    const wanted = (path: string): boolean => path.endsWith("bin/busybox");
    await unpackDeb(fileOf(entry), entry.name, tree, staging, { tools, signal, wanted });
    advance(entry);
  }
  const program = tree.find("usr/bin/busybox") ?? tree.find("bin/busybox");
  if (program?.kind !== "file") throw guestError("ERR_GUEST_ARCHIVE", `${INITRD_PACKAGE} brought no busybox`);
  return contentBytes(program.content);
}

function addModules(tree: FileTree, { release, lists }: KernelFiles, modules: readonly KernelModule[]): void {
  const folder = `usr/lib/modules/${release}`;
  for (const [name, bytes] of lists) tree.file(`${folder}/${name}`, bytes);
  for (const { path, bytes } of modules) tree.file(`${folder}/${path}`, bytes);
  writeModuleIndexes(tree, folder, modules);
}

/** A UUID of version 8 (RFC 9562, section 5.8) made of the start of a digest. */
function uuidOf(digest: string): string {
  const digits = `${digest.slice(0, 12)}8${digest.slice(13, 16)}8${digest.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

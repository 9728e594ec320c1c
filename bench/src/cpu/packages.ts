import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPrivateApt } from "../../../packages/cli/src/guest/apt-private.ts";
import { sha256Text } from "../../../packages/cli/src/guest/checksum.ts";
import { writeCpio } from "../../../packages/cli/src/guest/cpio.ts";
import { unpackDeb } from "../../../packages/cli/src/guest/extract.ts";
import { contentBytes, FileTree } from "../../../packages/cli/src/guest/file-tree.ts";
import { defaultToolPath, findHostTools } from "../../../packages/cli/src/guest/host-tools.ts";
import { acquireLock } from "../../../packages/cli/src/guest/lock.ts";
import { isWanted } from "../../../packages/cli/src/guest/packages.ts";

/** Raise it when the use of the packages changes. */
const REVISION = 2;

/** Of the packages only what runs: the rest would be read into RAM at every boot. */
const NOT_NEEDED =
  /^(usr\/bin\/(dpkg|tar|rmt)|usr\/sbin\/|usr\/lib\/(dpkg|.*\/(gconv|ossl-modules)\/)|etc\/|var\/)/;

/** What is taken of Debian's packages. */
export interface PackageRequest {
  readonly suite: string;
  readonly architecture: string;
  /** These go into an archive for the guest, with what they depend on. */
  readonly guest: readonly string[];
  /** Files that stay outside of the guest. */
  readonly besides: readonly SingleFile[];
}

/** A file of a package. */
export interface SingleFile {
  /** The name that it gets. */
  readonly name: string;
  /** The package that is asked for. */
  readonly asked: string;
  /** The one of those that come with it that has the file; the one that is asked for when absent. */
  readonly holder?: RegExp;
  readonly path: RegExp;
}

/** Where {@link takePackages} leaves the guest's archive, in cpio's format. */
export const ARCHIVE = "packages.cpio";

type OnProgress = (progress: { readonly message: string }) => void;

/** Gives a folder with what is asked for, from the cache or through an apt of our own. */
export async function takePackages(
  cache: string,
  request: PackageRequest,
  onProgress: OnProgress,
): Promise<string> {
  const recipe = [REVISION, NOT_NEEDED.source, request];
  const text = JSON.stringify(recipe, (_, value) => (value instanceof RegExp ? value.source : value));
  const folder = join(cache, sha256Text(text).slice(0, 16));
  if (existsSync(folder)) return folder;

  await mkdir(cache, { recursive: true });
  const release = await acquireLock(join(cache, "lock"), {
    onWait: (pid) => onProgress({ message: `process ${pid} is fetching packages; waiting for it` }),
  });
  const work = join(cache, `work-${process.pid}`);
  try {
    if (existsSync(folder)) return folder;
    const finished = join(work, "finished");
    await mkdir(finished, { recursive: true });
    await fetchInto(finished, work, cache, request, onProgress);
    await rename(finished, folder);
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
    await release();
  }
}

async function fetchInto(
  finished: string,
  work: string,
  cache: string,
  { suite, architecture, guest, besides }: PackageRequest,
  onProgress: OnProgress,
): Promise<void> {
  const tools = findHostTools(defaultToolPath());
  const directory = join(cache, `apt-${suite}-${architecture}`);
  const apt = await openPrivateApt({ directory, tools, suite, architecture, onProgress });
  await apt.update();
  const staging = { directory: work, count: 0 };
  const wanted = (path: string): boolean => isWanted(path) && !NOT_NEEDED.test(path);
  const tree = new FileTree();
  if (guest.length > 0) {
    const packages = await apt.resolve(guest);
    await apt.download(packages);
    for (const entry of packages) {
      onProgress({ message: `unpacking ${entry.name}` });
      await unpackDeb(apt.fileOf(entry), entry.name, tree, staging, { tools, wanted });
    }
  }
  // What base-files does by making /lib a link.
  for (const name of tree.list("usr/lib").filter((name) => name.startsWith("ld-linux"))) {
    tree.symlink(`lib/${name}`, `/usr/lib/${name}`);
  }
  await writeFile(join(finished, ARCHIVE), writeCpio(tree));

  for (const { name, asked, holder, path } of besides) {
    const entry = (await apt.resolve([asked])).find(
      (entry) => holder?.test(entry.name) ?? entry.name === asked,
    );
    if (entry === undefined) throw new Error(`no package that comes with ${asked} brings ${name}`);
    await apt.download([entry]);
    onProgress({ message: `unpacking ${entry.name}` });
    const files = new FileTree();
    await unpackDeb(apt.fileOf(entry), entry.name, files, staging, { tools, wanted: (at) => path.test(at) });
    const [found] = [...files.walk()].filter(({ node }) => node.kind === "file");
    if (found?.node.kind !== "file") throw new Error(`the package ${entry.name} has no ${name}`);
    await writeFile(join(finished, name), contentBytes(found.node.content));
  }
}

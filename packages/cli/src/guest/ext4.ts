import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Extent } from "./checksum.ts";
import { guestError } from "./errors.ts";
import { type Staging, stage } from "./extract.ts";
import { contentSize, type FileTree, type NodeAttributes, type TreeNode } from "./file-tree.ts";
import { type HostTools, runTool } from "./host-tools.ts";

/** What {@link writeExt4} is told. */
export interface Ext4Options {
  /** Size of the file system in bytes; the file is sparse. */
  readonly size: number;
  readonly label: string;
  /** UUID of the file system, also the seed of its directory hashes. */
  readonly uuid: string;
  /** Time of creation, seconds since 1970. */
  readonly time: number;
  readonly staging: Staging;
  readonly tools: HostTools;
  readonly signal?: AbortSignal | undefined;
}

const BLOCK = 4096;
const GAP = 1024 * 1024;
const COMPLAINT_LIMIT = 8192;
const KIND_BITS = { directory: 0o040000, file: 0o100000, symlink: 0o120000 } as const;

/**
 * Writes a tree as an ext4 image: mke2fs makes it, one run of debugfs fills it and sets owners, permissions
 * and times inode by inode, e2fsck looks it over. No privilege is needed, no file of the host carries the
 * guest's attributes, and equal trees give equal bytes.
 * @returns the parts of the file that the file system uses; the rest was never written.
 * @throws `ERR_GUEST_IMAGE` when the result is not clean.
 */
export async function writeExt4(path: string, tree: FileTree, options: Ext4Options): Promise<Extent[]> {
  const { tools, signal } = options;
  const env = { E2FSPROGS_FAKE_TIME: String(options.time), MKE2FS_CONFIG: "/dev/null" };
  const file = await open(path, "w");
  try {
    await file.truncate(options.size);
  } finally {
    await file.close();
  }
  const features =
    "has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
  await runTool(
    tools.mke2fs,
    [
      ...[
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-I",
        "256",
        "-i",
        "16384",
        "-m",
        "1",
        "-J",
        `size=${journalSize(options.size)}`,
      ],
      ...["-O", `none,${features}`, "-L", options.label, "-U", options.uuid],
      ...["-E", `hash_seed=${options.uuid},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0`],
      path,
    ],
    { env, signal },
  );
  const script = join(options.staging.directory, "debugfs");
  await writeFile(script, populate(tree, options.staging));
  let said = "";
  await runTool(tools.debugfs, ["-w", "-f", script, path], {
    env,
    signal,
    onStdout: () => {},
    onStderr: (text) => {
      if (said.length < COMPLAINT_LIMIT) said += text;
    },
  });
  // It goes on after a failed command and ends well; it greets with its version first.
  const complaint = said.split("\n").filter((line) => line.trim() !== "" && !/^debugfs [0-9]/.test(line))[0];
  if (complaint !== undefined)
    throw guestError("ERR_GUEST_IMAGE", `filling the root file system failed: ${complaint}`);
  await runTool(tools.e2fsck, ["-f", "-n", path], { env, signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw guestError("ERR_GUEST_IMAGE", "the root file system is not clean", error);
  });
  return usedExtents(await runTool(tools.dumpe2fs, [path], { env, signal }), options.size);
}

/** What lies between the free blocks that dumpe2fs(8) lists, in bytes; short gaps count as used. */
function usedExtents(report: string, size: number): Extent[] {
  const extents: [offset: number, length: number][] = [];
  const add = (start: number, end: number): void => {
    const last = extents.at(-1);
    if (end <= start) return;
    if (last !== undefined && start - (last[0] + last[1]) < GAP) last[1] = end - last[0];
    else extents.push([start, end - start]);
  };
  let at = 0;
  for (const [, list = ""] of report.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
    for (const [, first, last] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
      add(at, Number(first) * BLOCK);
      at = (Number(last ?? first) + 1) * BLOCK;
    }
  }
  add(at, size);
  return extents;
}

/** In MiB: enough for bursts of small writes, little enough to be no burden on a small image. */
function journalSize(size: number): number {
  return Math.min(Math.max(Math.floor(size / 2 ** 26), 4), 32);
}

/** The commands (debugfs(8)) that make a tree in an empty file system. */
function populate(tree: FileTree, staging: Staging): string {
  const commands: string[] = [...attributeCommands("/", tree.root, KIND_BITS.directory)];
  const linkCounts = new Map<TreeNode, { readonly path: string; count: number }>();
  for (const { path, node } of tree.walk()) {
    const quoted = quote(`/${path}`);
    const earlier = linkCounts.get(node);
    if (earlier !== undefined) {
      commands.push(
        `ln ${quote(earlier.path)} ${quoted}`,
        `sif ${quote(earlier.path)} links_count ${++earlier.count}`,
      );
      continue;
    }
    if (node.kind !== "directory") linkCounts.set(node, { path: `/${path}`, count: 1 });
    switch (node.kind) {
      case "directory":
        commands.push(`mkdir ${quoted}`, ...attributeCommands(quoted, node, KIND_BITS.directory));
        break;
      case "file":
        commands.push(
          `write ${quote(hostFileOf(node, staging))} ${quoted}`,
          ...attributeCommands(quoted, node, KIND_BITS.file),
        );
        break;
      case "symlink":
        commands.push(
          `symlink ${quoted} ${quote(node.target)}`,
          ...attributeCommands(quoted, node, KIND_BITS.symlink),
        );
        break;
      default:
        throw guestError("ERR_GUEST_ARCHIVE", `/${path}: a ${node.kind} node in a package`);
    }
  }
  return `${commands.join("\n")}\n`;
}

function hostFileOf(node: TreeNode & { readonly kind: "file" }, staging: Staging): string {
  if ("hostFile" in node.content) return node.content.hostFile;
  const { hostFile, size } = stage(staging, node.content.bytes);
  if (size !== contentSize(node.content)) throw guestError("ERR_GUEST_IMAGE", "a staged file is short");
  return hostFile;
}

function attributeCommands(quoted: string, node: NodeAttributes, kind: number): string[] {
  const commands = [
    `sif ${quoted} mode 0${(kind | node.mode).toString(8)}`,
    `sif ${quoted} mtime @${node.mtime}`,
  ];
  if (node.uid !== 0) commands.push(`sif ${quoted} uid ${node.uid}`);
  if (node.gid !== 0) commands.push(`sif ${quoted} gid ${node.gid}`);
  return commands;
}

/** A word of a debugfs command: in double quotes, a double quote doubled. */
function quote(word: string): string {
  if (/[\n\r\0]/.test(word))
    throw guestError("ERR_GUEST_ARCHIVE", `a control character in ${JSON.stringify(word)}`);
  return `"${word.replaceAll('"', '""')}"`;
}

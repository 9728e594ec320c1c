import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FileTree, NodeAttributes, TreeNode } from "./file-tree.ts";
import { type HostTools, runTool } from "./host-tools.ts";
import { createTarReader, type TarHeader } from "./tar.ts";

/** A package file taken apart. */
export interface UnpackedPackage {
  readonly name: string;
  /** Control files by name (`control`, `md5sums`, `conffiles`, ...). */
  readonly control: ReadonlyMap<string, { readonly bytes: Uint8Array; readonly mode: number }>;
  /** Every path that the package ships, as dpkg lists them (`/.` first), wanted or not. */
  readonly paths: readonly string[];
}

/** Where file bodies go: into numbered files of one folder of the host, so that no guest path ever names one. */
export interface Staging {
  readonly directory: string;
  count: number;
}

const SMALL = 4096;

/**
 * Unpacks a package file (deb(5)) into a tree.
 * @param wanted decides by path (no leading slash) what goes into the tree.
 * @param onFile when given, sees each file first and keeps it out of the tree by returning true.
 */
export async function unpackDeb(
  deb: string,
  name: string,
  tree: FileTree,
  staging: Staging,
  options: {
    readonly tools: HostTools;
    readonly wanted: (path: string) => boolean;
    readonly onFile?: (header: TarHeader, body: Uint8Array) => boolean;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<UnpackedPackage> {
  const paths: string[] = ["/."];
  const data = createTarReader(
    (header, body) => {
      if (header.kind === "file" && options.onFile?.(header, body)) return;
      const node = toNode(header, body, tree, staging);
      if (node !== undefined && header.path !== "") tree.add(header.path, node);
    },
    (header) => {
      if (header.path !== "") paths.push(`/${header.path}`);
      return options.wanted(header.path);
    },
  );
  const control = new Map<string, { bytes: Uint8Array; mode: number }>();
  const information = createTarReader((header, bytes) => {
    if (header.kind === "file" && !header.path.includes("/"))
      control.set(header.path, { bytes, mode: header.mode });
  });
  const { tools, signal } = options;
  await Promise.all([
    runTool(tools["dpkg-deb"], ["--fsys-tarfile", deb], { signal, onStdout: (chunk) => data.write(chunk) }),
    runTool(tools["dpkg-deb"], ["--ctrl-tarfile", deb], {
      signal,
      onStdout: (chunk) => information.write(chunk),
    }),
  ]);
  data.end();
  information.end();
  return { name, control, paths };
}

function toNode(header: TarHeader, body: Uint8Array, tree: FileTree, staging: Staging): TreeNode | undefined {
  const { mode, uid, gid, mtime } = header;
  const attributes: NodeAttributes = { mode, uid, gid, mtime };
  switch (header.kind) {
    case "directory":
      return { kind: "directory", children: new Map(), ...attributes };
    case "symlink":
      return { kind: "symlink", target: header.link, ...attributes };
    case "hardlink":
      return tree.find(header.link);
    case "character":
    case "block":
      return { kind: header.kind, major: header.major, minor: header.minor, ...attributes };
    case "fifo":
      return { kind: "fifo", ...attributes };
    case "file":
      if (body.length <= SMALL) return { kind: "file", content: { bytes: body }, ...attributes };
      return { kind: "file", content: stage(staging, body), ...attributes };
  }
}

/** Writes bytes into the next file of a staging folder. */
export function stage(
  staging: Staging,
  body: Uint8Array,
): { readonly hostFile: string; readonly size: number } {
  const hostFile = join(staging.directory, String(staging.count++));
  writeFileSync(hostFile, body);
  return { hostFile, size: body.length };
}

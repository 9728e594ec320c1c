import { contentBytes, type FileTree, type TreeNode } from "./file-tree.ts";

const KIND_BITS: Readonly<Record<TreeNode["kind"], number>> = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
};

/**
 * Writes a tree as a cpio archive in the "new ASCII" form (`070701`) that Linux takes as an initial RAM file
 * system (Documentation/driver-api/early-userspace/buffer-format.rst): hexadecimal headers of 110 bytes,
 * names and bodies padded to four bytes, the whole to 512. Names come in a fixed order and inode numbers
 * count up, so equal trees give equal bytes.
 */
export function writeCpio(tree: FileTree): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const push = (piece: Uint8Array, alignment: number): void => {
    const padding = (alignment - ((length + piece.length) % alignment)) % alignment;
    pieces.push(piece, new Uint8Array(padding));
    length += piece.length + padding;
  };
  const member = (name: string, inode: number, node: TreeNode | undefined): void => {
    const body = bodyOf(node);
    const nameBytes = new TextEncoder().encode(`${name}\0`);
    const fields = [
      inode,
      node === undefined ? 0 : KIND_BITS[node.kind] | node.mode,
      node?.uid ?? 0,
      node?.gid ?? 0,
      node?.kind === "directory" ? 2 : 1,
      node?.mtime ?? 0,
      body.length,
      0,
      0,
      node !== undefined && "major" in node ? node.major : 0,
      node !== undefined && "minor" in node ? node.minor : 0,
      nameBytes.length,
      0,
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    push(Buffer.concat([new TextEncoder().encode(header), nameBytes]), 4);
    push(body, 4);
  };
  let inode = 0;
  for (const { path, node } of tree.walk()) member(path, ++inode, node);
  member("TRAILER!!!", 0, undefined);
  push(new Uint8Array(0), 512);
  return Buffer.concat(pieces, length);
}

function bodyOf(node: TreeNode | undefined): Uint8Array {
  if (node?.kind === "file") return contentBytes(node.content);
  if (node?.kind === "symlink") return new TextEncoder().encode(node.target);
  return new Uint8Array(0);
}

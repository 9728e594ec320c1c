import { readFileSync } from "node:fs";

/** Bytes of a file: here, or in a file of the host (never named after the guest's path). */
export type FileContent =
  | { readonly bytes: Uint8Array }
  | { readonly hostFile: string; readonly size: number };

/** Owner, permissions and time of a node. */
export interface NodeAttributes {
  /** Permission bits, set-user-ID, set-group-ID and sticky included (07777). */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970. */
  mtime: number;
}

/** A directory; the map's order carries no meaning. */
export interface DirectoryNode extends NodeAttributes {
  readonly kind: "directory";
  readonly children: Map<string, TreeNode>;
}

/** A node of a {@link FileTree}. A hard link is the same object under a second name. */
export type TreeNode =
  | DirectoryNode
  | (NodeAttributes & { readonly kind: "file"; readonly content: FileContent })
  | (NodeAttributes & { readonly kind: "symlink"; readonly target: string })
  | (NodeAttributes & {
      readonly kind: "character" | "block";
      readonly major: number;
      readonly minor: number;
    })
  | (NodeAttributes & { readonly kind: "fifo" });

/** Length of a content in bytes. */
export function contentSize(content: FileContent): number {
  return "bytes" in content ? content.bytes.length : content.size;
}

/** The bytes of a content, read from the host where they lie there. */
export function contentBytes(content: FileContent): Uint8Array {
  return "bytes" in content ? content.bytes : readFileSync(content.hostFile);
}

const LINK_LIMIT = 40;

/**
 * A file system in memory, on its way to an image. Paths are relative to its root, a leading slash changes
 * nothing; symbolic links in the way are followed inside the tree, `..` never leaves it.
 */
export class FileTree {
  readonly root: DirectoryNode = directory();
  /** Time of nodes that are made without one. */
  readonly #mtime: number;

  constructor(mtime = 0) {
    this.#mtime = mtime;
  }

  /** Puts a node in place. A directory joins one that is there (which keeps its attributes), anything else replaces. */
  add(path: string, node: TreeNode): void {
    const { parent, name } = this.#parentOf(path);
    const present = parent.children.get(name);
    if (node.kind === "directory") {
      if (present?.kind === "directory") return;
      if (present?.kind === "symlink" && this.find(path)?.kind === "directory") return;
    } else if (present?.kind === "directory") {
      throw new Error(`${path} is a directory and can't be replaced`);
    }
    parent.children.set(name, node);
  }

  /** Makes a directory, and those above it. */
  directory(path: string, attributes: Partial<NodeAttributes> = {}): void {
    const node = this.find(path);
    if (node?.kind === "directory") Object.assign(node, attributes);
    else this.add(path, { ...directory(this.#mtime), ...attributes });
  }

  /** Makes or replaces a file. */
  file(path: string, content: string | Uint8Array, attributes: Partial<NodeAttributes> = {}): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.add(path, { kind: "file", content: { bytes }, ...this.#defaults(0o644), ...attributes });
  }

  /** Makes or replaces a symbolic link. */
  symlink(path: string, target: string): void {
    this.add(path, { kind: "symlink", target, ...this.#defaults(0o777) });
  }

  /** Makes a file a second time under another name, as a copy of what it is now; false if it isn't there. */
  copy(from: string, to: string): boolean {
    const node = this.find(from);
    if (node?.kind !== "file") return false;
    this.add(to, { ...node });
    return true;
  }

  /** Changes owner or permissions of what is there; false if it isn't. */
  change(path: string, attributes: Partial<NodeAttributes>): boolean {
    const node = this.find(path);
    if (node !== undefined) Object.assign(node, attributes);
    return node !== undefined;
  }

  /** Takes a node away, with all below it; false if it isn't there. */
  remove(path: string): boolean {
    const { parent, name } = this.#parentOf(path);
    return parent.children.delete(name);
  }

  /** The node at a path, links followed to the end; undefined where there is none. */
  find(path: string): TreeNode | undefined {
    return this.#resolve(parts(path), false);
  }

  /** Whether anything, a dangling link included, has this name. */
  has(path: string): boolean {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined) return true;
    const parent = this.#resolve(names, false);
    return parent?.kind === "directory" && parent.children.has(name);
  }

  /** The text of a file; undefined where there is none. */
  text(path: string): string | undefined {
    const node = this.find(path);
    return node?.kind === "file" ? new TextDecoder().decode(contentBytes(node.content)) : undefined;
  }

  /** Names in a directory, sorted; none where there is no directory. */
  list(path: string): string[] {
    const node = this.find(path);
    return node?.kind === "directory" ? [...node.children.keys()].sort() : [];
  }

  /** Every node but the root, parents before children, names in the order of their code units. */
  *walk(): Generator<{ readonly path: string; readonly node: TreeNode }> {
    yield* walkBelow("", this.root);
  }

  #defaults(mode: number): NodeAttributes {
    return { mode, uid: 0, gid: 0, mtime: this.#mtime };
  }

  #parentOf(path: string): { parent: DirectoryNode; name: string } {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined || name === "..") throw new Error(`${JSON.stringify(path)} names no entry`);
    const parent = this.#resolve(names, true);
    if (parent?.kind !== "directory") throw new Error(`${path}: something above is no directory`);
    return { parent, name };
  }

  /** Walks names from the root, making directories that are missing if asked to. */
  #resolve(names: string[], make: boolean): TreeNode | undefined {
    const trail: DirectoryNode[] = [this.root];
    const ahead = names.toReversed();
    let links = 0;
    for (;;) {
      const here = trail.at(-1)!;
      const name = ahead.pop();
      if (name === undefined) return here;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      let next = here.children.get(name);
      if (next === undefined) {
        if (!make) return undefined;
        next = directory(this.#mtime);
        here.children.set(name, next);
      }
      if (next.kind === "directory") {
        trail.push(next);
      } else if (next.kind === "symlink") {
        if (++links > LINK_LIMIT) return undefined;
        if (next.target.startsWith("/")) trail.length = 1;
        ahead.push(...parts(next.target).toReversed());
      } else {
        return ahead.length === 0 ? next : undefined;
      }
    }
  }
}

function directory(mtime = 0): DirectoryNode {
  return { kind: "directory", children: new Map(), mode: 0o755, uid: 0, gid: 0, mtime };
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function* walkBelow(above: string, node: DirectoryNode): Generator<{ path: string; node: TreeNode }> {
  for (const name of [...node.children.keys()].sort()) {
    const child = node.children.get(name)!;
    const path = above === "" ? name : `${above}/${name}`;
    yield { path, node: child };
    if (child.kind === "directory") yield* walkBelow(path, child);
  }
}

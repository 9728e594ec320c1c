import type { FileTree } from "./file-tree.ts";
import { type KernelModule, loadOrder, moduleName } from "./kernel-modules.ts";

/**
 * Writes what depmod(8) would: the text files and the binary indexes that libkmod (modprobe, udev) reads.
 * @param folder the release's folder in the tree, already holding `modules.builtin` and its modinfo.
 */
export function writeModuleIndexes(tree: FileTree, folder: string, modules: readonly KernelModule[]): void {
  const dependencies: [key: string, value: string][] = modules.map((module) => {
    // What must be loaded first stands last.
    const needs = loadOrder(modules, [module.name]).slice(0, -1).reverse();
    return [module.name, `${module.path}:${needs.map(({ path }) => ` ${path}`).join("")}`];
  });
  const aliases = modules.flatMap(({ name, aliases }) =>
    aliases.map((alias): [string, string] => [normalizeAlias(alias), name]),
  );
  const soft = modules.flatMap(({ name, softDependencies }) =>
    softDependencies.map((text) => `softdep ${name} ${text}\n`),
  );
  const builtin = (tree.text(`${folder}/modules.builtin`) ?? "").split("\n").filter((line) => line !== "");
  const builtinInfo = (tree.text(`${folder}/modules.builtin.modinfo`) ?? "").split("\0");
  const builtinAliases = builtinInfo.flatMap((line): [string, string][] => {
    const match = /^([^.=]+)\.alias=(.+)$/s.exec(line);
    return match === null ? [] : [[normalizeAlias(match[2]!), match[1]!]];
  });

  tree.file(`${folder}/modules.dep`, dependencies.map(([, value]) => `${value}\n`).join(""));
  tree.file(`${folder}/modules.dep.bin`, buildIndex(dependencies));
  tree.file(`${folder}/modules.alias`, aliases.map(([alias, name]) => `alias ${alias} ${name}\n`).join(""));
  tree.file(`${folder}/modules.alias.bin`, buildIndex(aliases));
  tree.file(`${folder}/modules.softdep`, soft.join(""));
  tree.file(`${folder}/modules.symbols.bin`, buildIndex([]));
  tree.file(`${folder}/modules.builtin.bin`, buildIndex(builtin.map((path) => [moduleName(path), ""])));
  tree.file(`${folder}/modules.builtin.alias.bin`, buildIndex(builtinAliases));
}

/** Hyphens count as underscores in names, except within brackets of a pattern. */
function normalizeAlias(alias: string): string {
  return alias.replace(/\[[^\]]*\]|-/g, (part) => (part === "-" ? "_" : part));
}

interface IndexNode {
  prefix: string;
  readonly children: Map<number, IndexNode>;
  readonly values: { readonly value: string; readonly priority: number }[];
}

const MAGIC = 0xb007f457;
const VERSION = 0x0002_0001;
const HAS_PREFIX = 0x8000_0000;
const HAS_VALUES = 0x4000_0000;
const HAS_CHILDREN = 0x2000_0000;

/**
 * Builds an index in kmod's binary form: a radix tree over keys of ASCII, big-endian throughout. A node is its
 * prefix, the range of its children's first characters with a reference for each, and its values; a
 * reference is the node's offset with flags for the parts that it has.
 */
function buildIndex(entries: readonly (readonly [key: string, value: string])[]): Uint8Array {
  const root: IndexNode = { prefix: "", children: new Map(), values: [] };
  for (const [priority, [key, value]] of entries.entries()) {
    // The form has room for ASCII only; nothing else could be looked up.
    if (/^[ -~]+$/.test(key)) insert(root, key, value, priority);
  }
  const out: number[] = [];
  const word = (value: number): void =>
    void out.push(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  const patch = (at: number, value: number): void => {
    for (let i = 0; i < 4; i++) out[at + i] = (value >>> (24 - 8 * i)) & 255;
  };
  const string = (value: string): void => {
    for (const byte of Buffer.from(value)) out.push(byte);
    out.push(0);
  };
  const write = (node: IndexNode): number => {
    const offset = out.length;
    let flags = 0;
    if (node.prefix !== "") {
      flags |= HAS_PREFIX;
      string(node.prefix);
    }
    const slots = new Map<number, number>();
    if (node.children.size > 0) {
      flags |= HAS_CHILDREN;
      const first = Math.min(...node.children.keys());
      const last = Math.max(...node.children.keys());
      out.push(first, last);
      for (let character = first; character <= last; character++) {
        slots.set(character, out.length);
        word(0);
      }
    }
    if (node.values.length > 0) {
      flags |= HAS_VALUES;
      word(node.values.length);
      for (const { value, priority } of node.values) {
        word(priority);
        string(value);
      }
    }
    for (const [character, child] of [...node.children].sort(([a], [b]) => a - b)) {
      patch(slots.get(character)!, write(child));
    }
    return (offset | flags) >>> 0;
  };
  word(MAGIC);
  word(VERSION);
  word(0);
  patch(8, write(root));
  return Uint8Array.from(out);
}

function insert(root: IndexNode, key: string, value: string, priority: number): void {
  let node = root;
  let at = 0;
  for (;;) {
    let common = 0;
    while (common < node.prefix.length && node.prefix[common] === key[at + common]) common++;
    if (common < node.prefix.length) split(node, common);
    at += common;
    if (at === key.length) {
      node.values.push({ value, priority });
      return;
    }
    const character = key.charCodeAt(at++);
    const child = node.children.get(character);
    if (child === undefined) {
      node.children.set(character, {
        prefix: key.slice(at),
        children: new Map(),
        values: [{ value, priority }],
      });
      return;
    }
    node = child;
  }
}

/** Cuts a node's prefix: what follows the cut becomes its only child. */
function split(node: IndexNode, length: number): void {
  const lower: IndexNode = {
    prefix: node.prefix.slice(length + 1),
    children: new Map(node.children),
    values: node.values.splice(0),
  };
  const character = node.prefix.charCodeAt(length);
  node.prefix = node.prefix.slice(0, length);
  node.children.clear();
  node.children.set(character, lower);
}

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { guestError } from "./errors.ts";
import { type HostTools, runTool } from "./host-tools.ts";

/** A kernel module, decompressed. */
export interface KernelModule {
  /** Name as the kernel spells it: underscores, no suffix. */
  readonly name: string;
  /** Path below the release's folder: `kernel/fs/ext4/ext4.ko`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Names of the modules that must be there first, directly. */
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
  /** Soft dependencies as the module states them: `pre: crc32c`. */
  readonly softDependencies: readonly string[];
}

/** The name that the kernel gives to the module in a file. */
export function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf("/") + 1)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * Decompresses the modules that are wanted and whatever they depend on.
 * @param compressed xz files by path below the release's folder (`kernel/....ko.xz`).
 * @param wanted decides by path.
 * @param folder for temporary files; made and taken away.
 */
export async function selectModules(
  compressed: ReadonlyMap<string, Uint8Array>,
  wanted: (path: string) => boolean,
  folder: string,
  options: { readonly tools: HostTools; readonly signal?: AbortSignal | undefined },
): Promise<KernelModule[]> {
  const pathByName = new Map([...compressed.keys()].map((path) => [moduleName(path), path]));
  const selected = new Map<string, KernelModule>();
  let next = [...compressed.keys()].filter(wanted).map(moduleName).sort();
  while (next.length > 0) {
    const paths = next.map((name) => {
      const path = pathByName.get(name);
      if (path === undefined)
        throw guestError("ERR_GUEST_ARCHIVE", `the kernel package lacks the module ${name}`);
      return path;
    });
    const images = await decompress(
      paths.map((path) => compressed.get(path)!),
      folder,
      options,
    );
    const missing = new Set<string>();
    for (const [i, path] of paths.entries()) {
      const module = parseModule(path.replace(/\.xz$/, ""), images[i]!);
      selected.set(module.name, module);
      for (const name of module.depends) missing.add(name);
    }
    next = [...missing].filter((name) => !selected.has(name)).sort();
  }
  return [...selected.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A module with everything it depends on, in an order in which they can be loaded one by one. */
export function loadOrder(modules: readonly KernelModule[], names: readonly string[]): KernelModule[] {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const order = new Set<KernelModule>();
  const visit = (name: string): void => {
    const module = byName.get(name);
    if (module === undefined)
      throw guestError("ERR_GUEST_ARCHIVE", `the kernel package lacks the module ${name}`);
    if (order.has(module)) return;
    for (const dependency of module.depends) visit(dependency);
    order.add(module);
  };
  for (const name of names) visit(name);
  return [...order];
}

async function decompress(
  bodies: readonly Uint8Array[],
  folder: string,
  { tools, signal }: { readonly tools: HostTools; readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array[]> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const names = bodies.map((_, i) => String(i));
  await Promise.all(bodies.map((body, i) => writeFile(join(folder, `${i}.xz`), body)));
  // Two at a time: half of the machine's time goes to starting the next batch otherwise.
  const middle = names.length >> 1;
  const run = (part: string[]): Promise<unknown> =>
    part.length === 0
      ? Promise.resolve()
      : runTool(tools.xz, ["-d", "--", ...part.map((name) => `${name}.xz`)], { cwd: folder, signal });
  await Promise.all([run(names.slice(0, middle)), run(names.slice(middle))]);
  const images = await Promise.all(names.map((name) => readFile(join(folder, name))));
  await rm(folder, { recursive: true, force: true });
  return images;
}

function parseModule(path: string, bytes: Uint8Array): KernelModule {
  const info = moduleInfo(bytes);
  const values = (key: string): string[] =>
    info.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  return {
    name: moduleName(path),
    path,
    bytes,
    depends: values("depends").flatMap((list) =>
      list
        .split(",")
        .filter((name) => name !== "")
        .map((name) => name.replaceAll("-", "_")),
    ),
    aliases: values("alias"),
    softDependencies: values("softdep"),
  };
}

/** The strings in section `.modinfo` of a little-endian ELF64 object (System V ABI, chapter 4). */
function moduleInfo(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (offset: number): number => Number(view.getBigUint64(offset, true));
  try {
    if (view.getUint32(0) !== 0x7f454c46) throw new Error("no ELF magic");
    const headers = word(0x28);
    const size = view.getUint16(0x3a, true);
    const count = view.getUint16(0x3c, true);
    const section = (index: number): Uint8Array => {
      const at = headers + index * size;
      return bytes.subarray(word(at + 0x18), word(at + 0x18) + word(at + 0x20));
    };
    const names = new TextDecoder("latin1").decode(section(view.getUint16(0x3e, true)));
    for (let i = 0; i < count; i++) {
      if (!names.startsWith(".modinfo\0", view.getUint32(headers + i * size, true))) continue;
      return new TextDecoder().decode(section(i)).split("\0");
    }
    return [];
  } catch (cause) {
    throw guestError("ERR_GUEST_ARCHIVE", "a kernel module is no ELF64 object", cause);
  }
}

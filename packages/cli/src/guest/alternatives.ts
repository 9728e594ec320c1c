import type { FileTree } from "./file-tree.ts";

/** An alternative as update-alternatives(1) takes it; slaves are `[name, link, path]`. */
interface Alternative {
  readonly name: string;
  readonly link: string;
  readonly path: string;
  readonly priority: number;
  readonly slaves?: readonly (readonly [name: string, link: string, path: string])[];
}

/** What the packages' maintainer scripts register, manual pages left out. The first of a name is the best. */
const ALTERNATIVES: readonly Alternative[] = [
  {
    name: "awk",
    link: "/usr/bin/awk",
    path: "/usr/bin/mawk",
    priority: 5,
    slaves: [["nawk", "/usr/bin/nawk", "/usr/bin/mawk"]],
  },
  { name: "editor", link: "/usr/bin/editor", path: "/bin/nano", priority: 40 },
  {
    name: "lzma",
    link: "/usr/bin/lzma",
    path: "/usr/bin/xz",
    priority: 20,
    slaves: [
      ["lzcat", "/usr/bin/lzcat", "/usr/bin/xzcat"],
      ["unlzma", "/usr/bin/unlzma", "/usr/bin/unxz"],
    ],
  },
  { name: "pager", link: "/usr/bin/pager", path: "/usr/bin/less", priority: 77 },
  { name: "pager", link: "/usr/bin/pager", path: "/bin/more", priority: 50 },
  { name: "pico", link: "/usr/bin/pico", path: "/bin/nano", priority: 10 },
  { name: "rmt", link: "/usr/sbin/rmt", path: "/usr/sbin/rmt-tar", priority: 50 },
  { name: "which", link: "/usr/bin/which", path: "/usr/bin/which.debianutils", priority: 0 },
];

/** Makes the links of the alternatives whose programs are there, and the database that remembers them. */
export function writeAlternatives(tree: FileTree): void {
  const present = ALTERNATIVES.filter(({ path }) => tree.has(path));
  for (const name of new Set(present.map((alternative) => alternative.name))) {
    const candidates = present.filter((alternative) => alternative.name === name);
    const best = candidates[0]!;
    const slaves = best.slaves ?? [];
    tree.symlink(best.link, `/etc/alternatives/${name}`);
    tree.symlink(`etc/alternatives/${name}`, best.path);
    for (const [slave, link, path] of slaves) {
      tree.symlink(link, `/etc/alternatives/${slave}`);
      tree.symlink(`etc/alternatives/${slave}`, path);
    }
    const lines = ["auto", best.link, ...slaves.flatMap(([slave, link]) => `${slave}\n${link}`), ""];
    for (const { path, priority, slaves: own = [] } of candidates) {
      lines.push(path, String(priority), ...own.map(([, , slavePath]) => slavePath));
    }
    tree.file(`var/lib/dpkg/alternatives/${name}`, `${lines.join("\n")}\n\n`);
  }
}

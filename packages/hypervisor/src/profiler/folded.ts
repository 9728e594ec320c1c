import type { CallNode, CallTree } from "./call-tree.ts";

/** Stacks in the format of flamegraph.pl, in order of their first appearance. */
export function foldedStacks(tree: CallTree): string {
  const lines: string[] = [];
  for (const node of tree.nodes) {
    const microseconds = Math.round(node.milliseconds * 1000);
    if (node.samples === 0 || microseconds === 0) continue;
    const names: string[] = [];
    for (let at: CallNode | undefined = node; at !== undefined; at = at.parent) {
      if (at !== tree.root) names.push(plain(at.frame.name));
    }
    lines.push(`${names.reverse().join(";") || "[more]"} ${microseconds}\n`);
  }
  return lines.join("");
}

/** Symbols come from files: what would end a frame or a line must not be in a name. */
function plain(name: string): string {
  return name.replace(/[;\s\p{Cc}]/gu, "_");
}

import { createHash } from "node:crypto";
import { parseStanzas } from "./apt-sources.ts";
import type { UnpackedPackage } from "./extract.ts";
import { contentBytes, type FileTree } from "./file-tree.ts";
import { EXCLUDED_PATHS } from "./packages.ts";

const DATABASE = "var/lib/dpkg";

/** Control files that go into the status file or are read once, and are not kept beside it. */
const NOT_KEPT: ReadonlySet<string> = new Set(["control"]);

/**
 * Writes dpkg's database as if it had unpacked and configured these packages: status, lists, control files and
 * registered triggers, so that `dpkg -l`, `-L`, `-S`, `-V` and later installations in the guest work.
 */
export function writeDpkgDatabase(tree: FileTree, packages: readonly UnpackedPackage[]): void {
  const stanzas: string[] = [];
  const fileTriggers: string[] = [];
  const namedTriggers = new Map<string, string[]>();
  for (const { name, control, paths } of packages) {
    const text = (file: string): string => new TextDecoder().decode(control.get(file)?.bytes);
    const description = text("control").trimEnd();
    const fields = parseStanzas(description)[0];
    const same = fields?.get("multi-arch") === "same";
    const qualified = same ? `${name}:${fields?.get("architecture")}` : name;
    stanzas.push(statusStanza(tree, description, text("conffiles")));
    tree.file(`${DATABASE}/info/${qualified}.list`, `${paths.join("\n")}\n`);
    for (const [file, { bytes, mode }] of control) {
      if (!NOT_KEPT.has(file)) tree.file(`${DATABASE}/info/${qualified}.${file}`, bytes, { mode });
    }
    for (const line of text("triggers").split("\n")) {
      const [directive = "", trigger = ""] = line.trim().split(/\s+/);
      if (!directive.startsWith("interest")) continue;
      const noawait = directive.endsWith("-noawait") ? "/noawait" : "";
      if (trigger.startsWith("/")) fileTriggers.push(`${trigger} ${qualified}${noawait}\n`);
      else namedTriggers.set(trigger, [...(namedTriggers.get(trigger) ?? []), `${qualified}${noawait}\n`]);
    }
  }
  tree.file(`${DATABASE}/status`, `${stanzas.join("\n\n")}\n\n`);
  tree.file(`${DATABASE}/available`, "");
  tree.file(`${DATABASE}/diversions`, "");
  tree.file(`${DATABASE}/info/format`, "1\n");
  tree.directory(`${DATABASE}/updates`);
  tree.directory(`${DATABASE}/parts`);
  tree.file(`${DATABASE}/triggers/File`, fileTriggers.join(""));
  tree.file(`${DATABASE}/triggers/Unincorp`, "");
  for (const [trigger, lines] of namedTriggers) tree.file(`${DATABASE}/triggers/${trigger}`, lines.join(""));
  tree.file("etc/dpkg/dpkg.cfg.d/isomorph", excludes());
}

function statusStanza(tree: FileTree, description: string, conffiles: string): string {
  const sums = conffiles.split("\n").flatMap((line) => {
    // A line may carry a flag in front of the path.
    const path = line.trim().split(/\s+/).at(-1) ?? "";
    const node = path === "" ? undefined : tree.find(path);
    if (node?.kind !== "file") return [];
    return [` ${path} ${createHash("md5").update(contentBytes(node.content)).digest("hex")}`];
  });
  const [first = "", ...rest] = description.split("\n");
  const lines = [first, "Status: install ok installed", ...rest];
  if (sums.length > 0) lines.push("Conffiles:", ...sums);
  return lines.join("\n");
}

/** Tells the guest's own dpkg to leave out what was left out here. */
function excludes(): string {
  const lines = EXCLUDED_PATHS.map((prefix) => `path-exclude=/${prefix}*\n`);
  return `${lines.join("")}path-include=/usr/share/doc/*/copyright\n`;
}

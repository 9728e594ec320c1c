import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "./errors.ts";

/** One archive of an apt configuration. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Keyring file that vouches for it; absent where the host's general trust applies or a key is inlined. */
  readonly signedBy?: string;
}

/** Suites of Debian itself, by code name and by role; what a derivative calls its own is none of them. */
const DEBIAN_SUITES: ReadonlySet<string> = new Set([
  ...["stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"],
  ...["oldoldstable", "oldstable", "stable", "testing", "unstable"],
]);

/**
 * Parses a file in the one-line style (sources.list(5)): `deb [options] uri suite component...`.
 * Lines that aren't of binary packages or make no sense are passed over, as are flat archives.
 */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.replace(/#.*$/, ""));
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\/[^\s,]+)/i.exec(options)?.[1];
    sources.push({ uri, suite, components: words(components), ...(signedBy && { signedBy }) });
  }
  return sources;
}

/** Parses a file in the deb822 style (sources.list(5)): stanzas of fields, each may name several archives. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const fields of parseStanzas(text)) {
    if (/^(no|false|off|0|disable)$/i.test(fields.get("enabled")?.trim() ?? "")) continue;
    if (!words(fields.get("types") ?? "").includes("deb")) continue;
    const signedBy = words(fields.get("signed-by") ?? "").find((word) => word.startsWith("/"));
    const components = words(fields.get("components") ?? "");
    for (const uri of words(fields.get("uris") ?? "")) {
      for (const suite of words(fields.get("suites") ?? "")) {
        sources.push({ uri, suite, components, ...(signedBy && { signedBy }) });
      }
    }
  }
  return sources;
}

/**
 * Parses deb822 text (deb822(5)), also the form of control files and package indexes: names in lower case,
 * values with their continuation lines as they stand, comment lines dropped.
 */
export function parseStanzas(text: string): Map<string, string>[] {
  const stanzas: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let name = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    if (line.trim() === "") {
      current = undefined;
      continue;
    }
    if (current === undefined) {
      current = new Map();
      stanzas.push(current);
      name = "";
    }
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (name !== "") current.set(name, `${current.get(name)}\n${line}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    name = line.slice(0, colon).toLowerCase();
    current.set(name, line.slice(colon + 1).trim());
  }
  return stanzas;
}

/** Every archive that the host's apt knows: `sources.list` and `sources.list.d` below `directory`. */
export function readHostSources(directory = "/etc/apt"): AptSource[] {
  const sources = parseOneLineSources(readText(join(directory, "sources.list")));
  const parts = join(directory, "sources.list.d");
  for (const name of listDirectory(parts)) {
    if (name.endsWith(".list")) sources.push(...parseOneLineSources(readText(join(parts, name))));
    if (name.endsWith(".sources")) sources.push(...parseDeb822Sources(readText(join(parts, name))));
  }
  return sources;
}

/**
 * The mirrors of Debian's main archive among the host's sources, without repetition, in their order: those
 * that carry a suite of Debian's (or its `-updates`) with `main`. Security archives are apart and no mirror.
 */
export function debianMirrors(sources: readonly AptSource[]): AptSource[] {
  const mirrors = new Map<string, AptSource>();
  for (const source of sources) {
    const suite = source.suite.replace(/-(updates|proposed-updates|backports)$/, "");
    if (!DEBIAN_SUITES.has(suite) || !source.components.includes("main")) continue;
    if (source.uri.startsWith("cdrom:")) continue;
    const uri = source.uri.replace(/\/+$/, "");
    if (!mirrors.has(uri)) mirrors.set(uri, { ...source, uri });
  }
  return [...mirrors.values()];
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "EACCES") return "";
    throw error;
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "EACCES") return [];
    throw error;
  }
}

/** Reads the repository's Markdown: links, headings, code blocks and tables. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, runTool } from "./workspace.ts";

/** A document of the repository. */
export interface Document {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
}

export function readDocument(path: string): Document {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

/** Every Markdown file of the checkout that git does not ignore. */
export async function allDocuments(): Promise<Document[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.md"];
  const listed = await runTool("git", args);
  const deleted = await runTool("git", ["ls-files", "-z", "--deleted"]);
  const gone = new Set(deleted.output.split("\0"));
  return listed.output
    .split("\0")
    .filter((path) => path !== "" && !gone.has(path))
    .map(readDocument);
}

/** The text without code, in which no link is a link. */
function prose(text: string): string {
  return text.replace(/^(`{3,}).*\n[\s\S]*?^\1`*$/gm, "").replace(/(`+)[^`]+\1/g, "");
}

/** Where the links of a text lead, in order. */
export function linksIn(text: string): string[] {
  return [...prose(text).matchAll(/\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)].map(
    ([, target]) => target as string,
  );
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsIn(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = text.replace(/^(`{3,}).*\n[\s\S]*?^\1`*$/gm, "").matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm);
  return [...headings].map(([, heading]) => {
    const plain = (heading as string).replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/** The fenced code blocks of a language. */
export function codeBlocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code as string);
}

/** The body rows of every table, as cells. */
export function tableRows(text: string): string[][] {
  const rows = prose(text)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return rows.filter(
    (cells, index) =>
      !isRule(cells) && !(rows[index + 1] !== undefined && isRule(rows[index + 1] as string[])),
  );
}

function isRule(cells: readonly string[]): boolean {
  return cells.every((cell) => /^:?-+:?$/.test(cell));
}

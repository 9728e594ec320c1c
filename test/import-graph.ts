/** Reads the import graph of a package's sources, and the layers it has to keep to. */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import ts from "typescript";

/** What each package may import from: always downward. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  interface: [],
  wasm: [],
  mmu: ["interface", "wasm"],
  cpu: ["interface", "wasm", "mmu"],
  io: ["interface"],
  storage: ["interface"],
  hypervisor: ["interface", "mmu", "cpu", "io"],
  cli: ["interface", "wasm", "mmu", "cpu", "io", "storage", "hypervisor"],
};

/** Names that only a page or a worker of a browser has. */
const browserNames = new Set([
  "document",
  "window",
  "self",
  "navigator",
  "location",
  "Worker",
  "SharedWorker",
  "localStorage",
  "sessionStorage",
  "indexedDB",
  "requestAnimationFrame",
  "postMessage",
  "importScripts",
  "HTMLElement",
  "HTMLCanvasElement",
  "OffscreenCanvas",
  "DedicatedWorkerGlobalScope",
]);

/** The specifiers that a source imports, type imports and dynamic ones included. */
function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
}

/** The browser's names that a source uses without having declared or imported them. */
function browserNamesIn(text: string): string[] {
  const source = ts.createSourceFile("source.ts", text, ts.ScriptTarget.ESNext, true);
  const used = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && browserNames.has(node.text)) {
      const { parent } = node;
      const isMember =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        (ts.isQualifiedName(parent) && parent.right === node) ||
        ((ts.isPropertyAssignment(parent) ||
          ts.isPropertySignature(parent) ||
          ts.isPropertyDeclaration(parent) ||
          ts.isMethodSignature(parent) ||
          ts.isMethodDeclaration(parent) ||
          ts.isGetAccessor(parent) ||
          ts.isSetAccessor(parent)) &&
          parent.name === node);
      const isDeclaration =
        (ts.isVariableDeclaration(parent) ||
          ts.isParameter(parent) ||
          ts.isFunctionDeclaration(parent) ||
          ts.isClassDeclaration(parent) ||
          ts.isInterfaceDeclaration(parent) ||
          ts.isTypeAliasDeclaration(parent) ||
          ts.isImportSpecifier(parent) ||
          ts.isBindingElement(parent)) &&
        parent.name === node;
      if (isDeclaration) declared.add(node.text);
      else if (!isMember) used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...used].filter((name) => !declared.has(name));
}

/** The first cycle among a graph's nodes, its first node repeated at the end; undefined when there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (node: string): string[] | undefined => {
    const start = path.indexOf(node);
    if (start >= 0) return [...path.slice(start), node];
    if (done.has(node)) return undefined;
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = walk(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = walk(node);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/**
 * What is wrong with a package's sources, one line for each; empty when nothing is.
 *
 * @param name - The package's name in the layer table.
 * @param sources - File paths relative to the package's src/, with their texts.
 */
export function violations(name: string, sources: ReadonlyMap<string, string>): string[] {
  const allowed = layers[name];
  if (allowed === undefined) return [`${name}: has no row in the layer table`];
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of sources) {
    const inNode = file.startsWith("node/") || name === "cli";
    const edges: string[] = [];
    for (const specifier of importsOf(text)) {
      const where = `${name}/src/${file}: imports ${specifier}`;
      if (specifier.startsWith(".")) {
        const target = relative("/", resolve("/", dirname(file), specifier));
        if (!sources.has(target)) found.push(`${where}, which is not a source of this package`);
        edges.push(target);
      } else if (specifier.startsWith("node:")) {
        if (!inNode) found.push(`${where} outside src/node/`);
      } else if (specifier.startsWith("@isomorph/")) {
        const imported = specifier.split("/")[1]!;
        if (!allowed.includes(imported)) found.push(`${where}, which is not below it`);
      }
    }
    graph.set(file, edges);
    if (!file.startsWith("web/")) {
      for (const used of browserNamesIn(text))
        found.push(`${name}/src/${file}: uses ${used} outside src/web/`);
    }
  }
  const cycle = findCycle(graph);
  if (cycle !== undefined) found.push(`${name}: cycle ${cycle.join(" -> ")}`);
  return found;
}

/** The sources under a package's src/, as `violations` takes them. */
export function readSources(src: string, files: readonly string[]): Map<string, string> {
  return new Map(files.map((file) => [relative(src, file), readFileSync(file, "utf8")]));
}

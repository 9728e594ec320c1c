import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { buildDebianGuest } from "../packages/cli/src/guest/debian.ts";
import { cacheFolder } from "../packages/cli/src/start/folders.ts";
import { codeBlocks, readDocument } from "./markdown.ts";
import { examples, type ReadmeExample } from "./readme-examples.ts";
import { packages, root, runTool } from "./workspace.ts";

/** The example as a program. The README's part of it is verbatim. */
function programOf({ readme, block = 0, inputs = "" }: ReadmeExample): string {
  const example = codeBlocks(readDocument(readme).text, "ts")[block];
  if (example === undefined) throw new Error(`${readme} has no example`);
  return `${inputs}\n${example}`;
}

/** What the example says that it prints: the comments behind `console.log(...)`. */
function promisedOutput(program: string): string[] {
  return [...program.matchAll(/^\s*console\.log\(.*\);? \/\/ (.*)$/gm)].map(([, text]) => text as string);
}

async function provide(files: ReadmeExample["files"], folder: string): Promise<void> {
  if (files === "debian") {
    const { kernel, initrd, root: disk } = await buildDebianGuest({ cacheDir: cacheFolder() });
    symlinkSync(kernel, join(folder, "vmlinux"));
    symlinkSync(initrd, join(folder, "initrd.img"));
    symlinkSync(disk, join(folder, "root.ext4"));
    return;
  }
  for (const [name, bytes] of Object.entries(files ?? {})) writeFileSync(join(folder, name), bytes);
}

test("every package's README has an example here", () => {
  const readmes = ["README.md", ...packages.map(({ name }) => `packages/${name}/README.md`)];
  expect([...new Set(examples.map(({ readme }) => readme))].sort()).toEqual(readmes.sort());
});

test.each(examples)("the example of $readme does what it says", { timeout: 900_000 }, async (example) => {
  const folder = mkdtempSync(join(tmpdir(), "isomorph-readme-"));
  try {
    await provide(example.files, folder);
    const program = programOf(example);
    const promised = promisedOutput(program);
    expect(promised.length).toBeGreaterThan(0);
    // Imports are found from the package; files, once it runs, from a folder of its own.
    const source = `process.chdir(${JSON.stringify(folder)});\n${program}`;
    const args = ["--conditions=@isomorph/source", "--input-type=module-typescript", "--eval", source];
    const result = await runTool(process.execPath, args, join(root, "packages", example.from));
    expect(result, result.output).toMatchObject({ code: 0 });
    const printed = result.output.split(/\r?\n/);
    for (const line of promised) {
      const at = printed.indexOf(line);
      expect(at, `"${line}" in ${result.output}`).toBeGreaterThanOrEqual(0);
      printed.splice(0, at + 1);
    }
    if (example.prints !== undefined) expect(result.output).toMatch(example.prints);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the examples type-check", { timeout: 120_000 }, () => {
  const programs = new Map(
    examples.map((example) => [
      join(root, "packages", example.from, `${slug(example)}.ts`),
      programOf(example),
    ]),
  );
  const read = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...read.config, include: [], files: [...programs.keys()] },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => programs.has(name) || fileExists(name);
  host.readFile = (name) => programs.get(name) ?? readFile(name);
  const program = ts.createProgram([...programs.keys()], options, host);
  const found = [...programs.keys()].flatMap((name) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => `${name.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
    );
  });
  expect(found).toEqual([]);
});

function slug({ readme, block = 0 }: ReadmeExample): string {
  return `${readme}-${block}`.replaceAll(/\W/g, "-").toLowerCase();
}

import { expect, test } from "vitest";
import { root, runTool } from "./workspace.ts";

const limit = 180_000;

test(
  "Biome finds nothing to lint or to format",
  async () => {
    const result = await runTool("biome", ["check", "--error-on-warnings", "--max-diagnostics=50", root]);
    expect(result, result.output).toMatchObject({ code: 0 });
  },
  limit,
);

test(
  "every source, test and script type-checks",
  async () => {
    const tsc = ["node_modules/@typescript/native/bin/tsc", "--noEmit", "-p", "tsconfig.json"];
    const result = await runTool("node", tsc);
    expect(result, result.output).toMatchObject({ code: 0 });
  },
  limit,
);

test(
  "knip finds no unused file, export or dependency, and none that is not declared",
  async () => {
    const result = await runTool("knip", ["--no-progress", "--no-config-hints"]);
    expect(result, result.output).toMatchObject({ code: 0 });
  },
  limit,
);

/** The build of every package: one JavaScript file for each subpath that its package.json exports. */
import { readFileSync } from "node:fs";
import type { Options } from "tsup";

interface Manifest {
  exports: Record<string, { "@isomorph/source": string } | string | null>;
}

/** Configuration for the package in the current directory; its entries are the sources named in `exports`. */
export function packageConfig(extraEntries: readonly string[] = []): Options {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  const sources = [...extraEntries];
  for (const target of Object.values(manifest.exports)) {
    if (target !== null && typeof target === "object") sources.push(target["@isomorph/source"]);
  }
  const entry = Object.fromEntries(
    sources.map((source) => [source.replace(/^\.\/src\/|\.ts$/g, ""), source]),
  );
  return {
    entry,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    dts: false,
    sourcemap: true,
    clean: true,
    splitting: true,
    external: [/^node:/],
    removeNodeProtocol: false,
  };
}

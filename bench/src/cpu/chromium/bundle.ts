import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Bundles the worker with the machine from source, as the playground's is, once for a folder. @returns its file. */
export async function bundleWorker(folder: string): Promise<string> {
  const outDir = join(folder, "chromium");
  const file = join(outDir, "worker.js");
  if (existsSync(file)) return file;
  await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@isomorph/source", "module", "browser", "development|production"] },
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2023",
      lib: { entry: join(root, "worker.ts"), formats: ["es"], fileName: () => "worker.js" },
    },
  });
  return file;
}

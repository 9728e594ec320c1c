import type { UserConfig } from "vite";

// SharedArrayBuffer needs a cross-origin isolated page.
const headers: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const config: UserConfig = {
  resolve: { conditions: ["@isomorph/source", "module", "browser", "development|production"] },
  build: { target: "es2023" },
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
};
export default config;

import { fileURLToPath } from "node:url";
import type { UserConfig } from "vite";
import { guestFiles } from "./src/node/guest-files.ts";

// SharedArrayBuffer needs a cross-origin isolated page: several processors run in workers that share memory.
const headers: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const guest: string = process.env.ISOMORPH_GUEST ?? fileURLToPath(new URL("guest", import.meta.url));

const config: UserConfig = {
  // The page works from any folder of a server, and a file that is not there is an error rather than the page.
  base: "./",
  appType: "mpa",
  resolve: { conditions: ["@isomorph/source", "module", "browser", "development|production"] },
  build: { target: "es2023" },
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
  plugins: [guestFiles(guest)],
};
export default config;

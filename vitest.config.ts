import { playwright } from "@vitest/browser-playwright";
import { configDefaults, type TestProjectConfiguration, type ViteUserConfig } from "vitest/config";

const condition = "@isomorph/source";
const resolve = { conditions: [condition, "module", "browser", "development|production"] };

/** Test files that run in Node, each in a process of its own. */
function inNode(name: string, include: string[]): TestProjectConfiguration {
  return {
    extends: true,
    ssr: {
      resolve: {
        conditions: [condition, "module", "node", "development|production"],
        externalConditions: [condition],
      },
    },
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, "**/*.browser.test.ts"],
      environment: "node",
      pool: "forks",
    },
  };
}

const config: ViteUserConfig = {
  test: {
    reporters: ["default", "./scripts/count-reporter.ts"],
    // A machine of two cores runs two files at once; a busy one may take its time.
    maxWorkers: "100%",
    testTimeout: 120_000,
    hookTimeout: 300_000,
    projects: [
      inNode("node", ["{packages,apps}/*/test/**/*.test.ts", "{bench,docs}/test/**/*.test.ts"]),
      inNode("house", ["test/**/*.test.ts"]),
      {
        extends: true,
        resolve,
        // Cross-origin isolation is what gives a page SharedArrayBuffer.
        server: {
          headers: {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
          },
        },
        test: {
          name: "chromium",
          include: ["{packages,apps}/*/test/**/*.browser.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
};

export default config;

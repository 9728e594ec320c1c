import { configDefaults, type ViteUserConfig } from "vitest/config";

const conditions = ["@isomorph/source"];

const config: ViteUserConfig = {
  resolve: { conditions: [...conditions, "module", "browser", "development|production"] },
  ssr: {
    resolve: {
      conditions: [...conditions, "module", "node", "development|production"],
      externalConditions: conditions,
    },
  },
  test: {
    include: ["{packages,apps}/*/test/**/*.test.ts", "{bench,docs}/test/**/*.test.ts", "test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "**/*.browser.test.ts"],
    environment: "node",
    pool: "forks",
    testTimeout: 30_000,
    reporters: ["default", "./scripts/count-reporter.ts"],
  },
};

export default config;

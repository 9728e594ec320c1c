/** Ends a test run with the line `N passed, N failed, N skipped`. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Counts every test of the run. A file that can't be imported, an error outside any test and a run without
 * tests each count as a failure. The line goes to the file that ISOMORPH_COUNT_FILE names, where it is set.
 */
export default class CountReporter implements Reporter {
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  onInit(): void {
    process.once("exit", () => {
      if (this.#passed + this.#failed + this.#skipped === 0) this.#failed = 1;
      if (this.#failed > 0) process.exitCode ||= 1;
      const line = `${this.#passed} passed, ${this.#failed} failed, ${this.#skipped} skipped`;
      const file = process.env.ISOMORPH_COUNT_FILE;
      if (file === undefined) process.stdout.write(`${line}\n`);
      else writeFileSync(file, line);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    this.#passed = 0;
    this.#failed = errors.length;
    this.#skipped = 0;
    for (const module of modules) {
      this.#failed += module.errors().length;
      for (const suite of module.children.allSuites()) this.#failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") this.#passed++;
        else if (state === "skipped") this.#skipped++;
        else this.#failed++;
      }
    }
  }
}

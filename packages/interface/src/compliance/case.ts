/** One check of a contract, free of any test runner: `for (const { name, run } of cases) test(name, run)`. */
export interface ComplianceCase {
  readonly name: string;
  /** Resolves when the subject keeps the contract; rejects with a {@link ComplianceError} otherwise. */
  run(): Promise<void>;
}

/** A subject broke its contract. The message says how. */
export class ComplianceError extends Error {
  readonly code = "ERR_COMPLIANCE";

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ComplianceError";
  }
}

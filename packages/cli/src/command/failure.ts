/** Exit codes of the command that are not a guest's. */
export const EXIT = {
  OK: 0,
  FAILURE: 1,
  /** The command line is wrong. */
  USAGE: 2,
  /** `--timeout` has passed; the code that timeout(1) uses. */
  TIMEOUT: 124,
} as const;

/** The command line asks for what cannot be: exit code 2. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
  readonly exitCode: number = EXIT.USAGE;
}

/** The command cannot do what it was asked for: exit code 1, or another one. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
  readonly exitCode: number;

  constructor(message: string, options?: ErrorOptions & { readonly exitCode?: number }) {
    super(message, options);
    this.exitCode = options?.exitCode ?? EXIT.FAILURE;
  }
}

/** The exit code for whatever was thrown. */
export function exitCodeOf(thrown: unknown): number {
  const { exitCode } = (thrown ?? {}) as { exitCode?: unknown };
  return typeof exitCode === "number" ? exitCode : EXIT.FAILURE;
}

/** One line (or few) for a person about whatever was thrown; `verbose` adds stacks and causes. */
export function describeFailure(thrown: unknown, verbose: boolean): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (!verbose || thrown.name === "Interruption") return thrown.message;
  const { code } = thrown as { code?: unknown };
  const lines = [thrown.stack ?? thrown.message];
  if (code !== undefined) lines[0] = `${lines[0]}\n    code ${String(code)}`;
  if (thrown.cause !== undefined) lines.push(`caused by: ${describeFailure(thrown.cause, true)}`);
  return lines.join("\n");
}

/** An exit code that a guest gave: what a process can say of it in eight bits, and never 0 for another number. */
export function guestExitCode(code: number): number {
  return code !== 0 && (code & 0xff) === 0 ? EXIT.FAILURE : code & 0xff;
}

/** What is wrong in an assembly source. */
export class AssemblyError extends Error {
  override readonly name: string = "AssemblyError";
  readonly code = "ERR_ASSEMBLY" as const;
  /** Line of the source, from 1; undefined when the statement came through the API. */
  readonly line: number | undefined;
  /** The offending part of the source. */
  readonly token: string;

  constructor(message: string, token: string, line?: number, options?: ErrorOptions) {
    super(line === undefined ? message : `line ${line}: ${message}`, options);
    this.line = line;
    this.token = token;
  }
}
